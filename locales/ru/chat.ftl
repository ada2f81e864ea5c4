## Слишком большие сообщения

shortened = … (сокращено: { $characters ->
    [one] показан только первый { $characters } знак
    [few] показаны только первые { $characters } знака
   *[many] показаны только первые { $characters } знаков
})
shortened-to-parts = … (сокращено: { $parts ->
    [one] показана только первая { $parts } часть
    [few] показаны только первые { $parts } части
   *[many] показаны только первые { $parts } частей
})
too-large-message = сообщение, которое слишком велико для копирования

## Кто и где

someone = кто-то
someone-outside = внешний участник
a-user-group = группа пользователей
a-private-channel = закрытый канал
direct-messages = личные сообщения
a-channel = канал

## Пересланные сообщения

forwarded = ↪ Переслано от: { $author }
forwarded-from = ↪ Переслано от: { $author }, { $channel }
open-in-slack = открыть в Slack
open-in-bitrix24 = открыть в Битрикс24
older-message-edited = Изменено более раннее сообщение в Slack:
written-then = Написано { $time }, доставлено с опозданием:

## Созвоны и звонки

huddle-started = Начался созвон
huddle-ended = Созвон завершён
people-took-part = { $people ->
    [one] { $people } участник
    [few] { $people } участника
   *[many] { $people } участников
}
minutes = { $minutes } мин
a-call = звонок
call-ended = завершён

## Уведомления Slack

canvas-changed = изменил(а) холст канала в Slack
reminder-added = установил(а) напоминание в Slack
pinned = закрепил(а) сообщение или файл в Slack
unpinned = открепил(а) сообщение или файл в Slack
channel-changed = изменил(а) канал в Slack

## Части сообщений

a-picture = картинка
only-in-slack = содержимое, которое может показать только Slack ({ $kind })

## Файлы

file-number = файл { $id }
in-another-cloud = (в другом облаке)
in-cloud = (в { $service })
a-canvas = (холст в Slack)
a-list = (список в Slack)
a-post = (пост в Slack)
kilobytes = { $size } КБ
megabytes = { $size } МБ

## Почему файл не скопирован

file-gone = его больше нет
file-hidden = он скрыт из-за ограничений тарифа Slack
file-denied = Slack не показывает его Switchboard
file-refused = Slack не даёт приложению его прочитать
file-scope-missing = Slack не даёт приложению его прочитать (files:read)
file-too-large = он слишком велик для копирования
files-off = файлы не копируются
bots-cannot-share = боты этого портала не могут отправлять файлы
file-refused-by-bitrix24 = Битрикс24 не даёт приложению его прочитать
file-removed = автор удалил его в Slack, но копию здесь удалить нельзя
