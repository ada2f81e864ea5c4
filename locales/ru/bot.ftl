## О себе

hello = Здравствуйте! Я Switchboard: соединяю этот портал со Slack и Notion.
chat-is-bridged = Этот чат связан с каналом Slack.
how-to-bridge = Чтобы связать этот чат с каналом Slack, наберите в этом канале: /b24-bridge
help = Вот что я умею:

## Команды

command-slack = Написать в канал Slack этого чата
    .params = текст
command-notion = Найти страницу сделки или задачи в Notion
    .params = название или номер
command-status = Показать подключения и вашу текущую работу

## /slack

slack-needs-text = Напишите, что отправить: /slack текст
chat-is-not-bridged = Этот чат не связан с каналом Slack. В Slack наберите в канале: /b24-bridge
posted = Отправлено в #{ $channel }.

## /notion

notion-is-not-set-up = Синхронизация с Notion для этого портала не настроена.
notion-needs-words = Укажите сделку или задачу: /notion название или номер
no-page = Страница не найдена: { $words }.

## /status

access-refused = { $provider } отклонил наш токен. Администратор должен подключить его снова.
connected = Подключено: { $providers }.
bridged-with = Этот чат связан с каналом Slack #{ $channel }.
open-work = Ваши открытые задачи: { $open } (просрочено: { $late }). Сделки в работе: { $deals }. Пропущенные звонки сегодня: { $calls }.
