## Overview: what is wrong, and what to do

settings-unreadable = Не удаётся прочитать настройки
apply-settings = { $reason }. Исправьте их на странице «Настройки».
sweeps-stop = Поиск пропущенных событий не завершается
silence = Из Битрикс24 давно нет событий, последнее пришло раньше { $since }
run-checks = Запустите проверки: они покажут, отвечает ли портал и есть ли подписки на события.
poll-late = Notion давно не удаётся прочитать до конца
see-notion-page = На странице «Notion» видно, какая база задерживает чтение.
database-paused = Синхронизация базы { $database } приостановлена
field-paused = { $database }: поле { $field } приостановлено
not-synced = { $count ->
    [one] Не удалось синхронизировать { $count } значение
    [few] Не удалось синхронизировать { $count } значения
   *[many] Не удалось синхронизировать { $count } значений
}
not-synced-or-more = Не удалось синхронизировать { $count } или больше значений
see-attention-page = На странице «Требует внимания» видно, какие, почему и что делать.
access-rejected = { $provider } не принимает наш токен с { $since }: { $reason }
reconnect = Подключите заново. Всё, что туда отправляется, ждёт.
asked-for-pause = { $provider } просит паузу до { $until }
nothing-to-do = Делать ничего не нужно: всё, что ждёт, уйдёт после паузы.
not-answering = { $provider } не отвечает с { $since }
goes-on-by-itself = Делать ничего не нужно: мы продолжаем попытки, и всё, что ждёт, уйдёт сразу после ответа.
lacks-rights = { $provider }: не разрешено { $scopes }
allow-and-reconnect = Разрешите и подключите заново.
slack-not-connected = Slack не подключён
connect-slack = Подключите его. До этого карточки ждут.
failed-deliveries = { $count ->
    [one] { $count } сбой доставки
    [few] { $count } сбоя доставки
   *[many] { $count } сбоев доставки
}
retry-failed = Посмотрите причины, устраните их и повторите отправку.
waits = Что-то ожидает с { $since }
see-its-line = В журнале событий видно, чего оно ожидает.
sweep-late = Поиск пропущенных событий давно не завершался
see-sweep-log = Посмотрите журнал portal-sweep: без этого поиска пропущенные события остаются потерянными.
conditions-failed = Сегодня условия маршрутов не удалось вычислить для { $count ->
    [one] { $count } изменения
    [few] { $count } изменений
   *[many] { $count } изменений
}
fix-condition = В их событиях видно, какого поля не хватило. Исправьте условие: has(record.…)
events-not-bound = Нет подписки на события

## Checks: what is checked

check-keys = Ключи
check-address = Публичный адрес
check-signing = Секрет подписи Slack
check-queue = Очередь { $queue }
check-portal = Портал
check-settings = Настройки
check-bitrix24 = Битрикс24: { $domain }
check-rights = Битрикс24: права
check-right = Битрикс24: право { $scope }
check-events = Битрикс24: события
check-sweep = Поиск пропущенных событий
check-bridges = Пропущенные сообщения в чатах
check-slack = Slack
check-workspace = Slack: { $team }
check-scope = Slack: разрешение { $scope }
check-channel = Slack: канал { $channel }
check-people = Люди
check-notion = Notion
check-database = Notion: { $database }
check-field = Notion: { $database }: { $field }
check-clock = Часы

## Checks: what was seen, and what to do

keys-readable = связка ключей читается
restore-keys = Восстановите секрет key-ring: без него сохранённые токены не открыть (docs/operations.md).
not-known = неизвестен
set-address = Задайте public_url (в AWS — параметр PublicUrl): он нужен боту и подпискам на события.
signing-known = известен: запросы из Slack принимаются
set-signing = Укажите signing_secret в [slack] (или [apps.slack]): без него команды и сообщения из Slack отклоняются.
check-secrets = Проверьте, читаются ли секреты.
queue-with-failed = ожидают: { $waiting }, сбоев: { $failed }
queue-waiting = ожидают: { $waiting }
retry-dead = Причины покажет `dead list`. Устраните их и выполните `dead redrive`.
check-queue-exists = Проверьте, существует ли очередь.
connect = Подключите на странице /install.
connect-again = Подключите заново на странице /install.
settings-not-read = их не удаётся прочитать: { $reason }
apply-checked-settings = Примените документ, который принимает `settings check`.
settings-hold = { $routes ->
    [one] { $routes } маршрут
    [few] { $routes } маршрута
   *[many] { $routes } маршрутов
}, { $databases ->
    [one] { $databases } база
    [few] { $databases } базы
   *[many] { $databases } баз
}
fix-settings = Исправьте это на странице «Настройки» или в документе.
answers = отвечает
not-installed = приложение установлено не полностью: Битрикс24 не присылает событий
open-application = Откройте приложение один раз от имени администратора.
payment-expired = оплата приложения закончилась
renew-subscription = Продлите подписку.
rights-unknown = портал не сообщает, какие права выданы
rights-given = все нужные права выданы
missing = нет; нужно для этого: { $purpose }
add-right = Добавьте право приложению и подключите заново на странице /install.
tick-right = Отметьте право во входящем вебхуке.
events-seen = { $count ->
    [one] приходило { $count } событие из { $count }
    [few] приходили все { $count } события
   *[many] приходили все { $count } событий
}
events-never-seen = ни разу не приходили: { $events }
tick-events = Они отмечаются вручную. Проверьте, есть ли они в исходящем вебхуке. Возможно, пока ничего не происходило.
events-lead-nowhere = адрес, на который их отправлять, неизвестен
set-address-only = Задайте public_url (PublicUrl).
all-bound = { $count ->
    [one] подписка на { $count } событие на месте
    [few] подписки на все { $count } события на месте
   *[many] подписки на все { $count } событий на месте
}
not-bound = нет подписки: { $events }
bind-events = Подписка восстановится в течение 15 минут. Чтобы сделать это сразу, нажмите «Проверить события и чат-бота» на странице /install.
sweep-never = ещё не выполнялся
sweep-soon = Он запускается каждые пять минут. Проверьте позже.
sweep-stopped = последний остановился: { $reason }
sweep-continues = Он продолжится через пять минут. Если это повторяется, устраните названную причину.
never = ещё не было
sweep-finished = завершился: { $time }; сегодня { $count ->
    [one] найдено { $count } изменение без события
    [few] найдено { $count } изменения без событий
   *[many] найдено { $count } изменений без событий
}
chats-readable = Switchboard может читать { $count ->
    [one] { $count } связанный чат: пропущенные сообщения находятся
    [few] все { $count } связанных чата: пропущенные сообщения находятся
   *[many] все { $count } связанных чатов: пропущенные сообщения находятся
}
chats-unreadable = эти чаты недоступны для чтения, пропущенные в них сообщения не находятся: { $chats }
add-to-chats = Добавьте в эти чаты пользователя, с правами которого подключён портал.
not-connected = не подключён
add-scope = Добавьте разрешение приложению (манифест — в docs/installing.md) и подключите заново на странице /install.
everyone-found = все сотрудники портала найдены в Slack
not-found-by-email = не найдены в Slack по почте: { $names }
not-found-by-email-more = не найдены в Slack по почте: { $names } и ещё { $count }
link-people = Свяжите их на странице «Люди» или попросите ввести /b24-me в Slack.
notion-without-workspace = в настройках есть базы, но рабочее пространство не подключено
database-open = открыта, { $count ->
    [one] синхронизируется { $count } поле
    [few] синхронизируются { $count } поля
   *[many] синхронизируются { $count } полей
}
field-pauses = До этого поле приостановлено.
opens-itself = Синхронизация продолжится, когда это будет исправлено.
notion-unused = подключён; ни одна база пока не синхронизируется
clock-right = расхождение с порталом { $seconds } с
clock-ahead = опережают портал на { $seconds } с
clock-behind = отстают от портала на { $seconds } с
set-clock = Настройте часы машины (NTP): подписи Slack старше пяти минут отклоняются.
archived = в архиве
unarchive = Разархивируйте его или измените: { $routes }
bot-is-in-it = бот в нём ({ $routes })
public-channel = открытый; бот войдёт, когда понадобится ({ $routes })
not-found = не найден
create-channel = Создайте его, пригласите бота, если он закрытый, или измените: { $routes }
paused-by-provider = Сервис просит паузу до { $until }. Проверьте позже.
did-not-answer = Сервис не ответил. Проверьте через минуту.
see-code = Что значит { $code }, описано в docs/operations.md.
