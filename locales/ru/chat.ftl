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
too-large-message = слишком большое сообщение

## Кто и где

someone = кто-то
someone-outside = кто-то извне
a-user-group = группа пользователей
a-private-channel = закрытый канал
direct-messages = личные сообщения
a-channel = канал

## Пересланные сообщения

forwarded = ↪ переслано: { $author }
forwarded-from = ↪ переслано: { $author } в { $channel }
open-in-slack = открыть в Slack
open-in-bitrix24 = открыть в Битрикс24
older-message-edited = Изменено более раннее сообщение в Slack:

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

canvas-changed = изменение холста канала в Slack
reminder-added = напоминание в Slack
pinned = закрепление в Slack
unpinned = открепление в Slack
channel-changed = изменение канала в Slack

## Части сообщений

a-picture = картинка
only-in-slack = содержимое, которое показывает только Slack ({ $kind })

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
bots-cannot-share = боты этого портала не могут передавать файлы
file-refused-by-bitrix24 = Битрикс24 не даёт приложению его прочитать
file-removed = автор удалил его в Slack, но копию здесь удалить нельзя
