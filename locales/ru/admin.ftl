## Состояния событий и доставок

status-delivered = доставлено
status-waiting = ожидает
status-skipped = пропущено
status-failed = сбой

## Обзор

all-is-well = Всё в порядке.
all-is-well-means = Всё подключено, сбоев и задержек нет.
problems = Проблемы
connection-rejected = доступ отклонён
connected = подключено
not-connected = не подключено
calls-used = Использовано вызовов: { $used } из { $limit }
paused-until = Приостановлено до { $moment }
token-renewal = Следующее обновление токена: { $moment }
permissions-missing = { $count ->
    [one] Не хватает { $count } разрешения
    [few] Не хватает { $count } разрешений
   *[many] Не хватает { $count } разрешений
}
deliveries-of-the-day = Доставки за последние 24 часа
no-deliveries-yet = Доставок не было. Измените сделку в Битрикс24 и вернитесь сюда.
chart-label = Доставки по часам; больше всего за час: { $most }
count-of-deliveries = { $count ->
    [one] { $count } доставка
    [few] { $count } доставки
   *[many] { $count } доставок
}
as-a-table = В виде таблицы
hour = Час (UTC)
deliveries = Доставки
or-more = { $count } или больше
time-to-delivery = От получения до доставки
lag = { $median }; 95 % — не дольше { $most }
oldest-waiting = Дольше всего ожидает
nothing-waits = ничего не ожидает
lost-events-found = Найдено пропущенных событий за сегодня
lost-of-checked = { $lost } из { $checked } проверенных
last-sweep = Последний поиск пропущенных событий
last-poll = Последняя проверка Notion
not-yet = ещё не было
events-subscribed = Подписки на события
subscribed-by-hand = заданы вручную
subscribed-and-refused = запрошено: { $wanted }, отклонено: { $refused }
queues = Очереди
queues-of-all = Очереди этой установки, общие для всех порталов.
queue = Очередь
waiting = Ожидает
oldest = Самое старое
failed = Сбои
as-of = По состоянию на { $moment }

## Проверки

checks-explained = Switchboard опрашивает Битрикс24, Slack и Notion обо всём, что нужно для настроек, и ничего не меняет. Это занимает несколько секунд.
run-the-checks = Запустить проверки
no-problems-found = Проблем не найдено.
problems-found = { $count ->
    [one] Найдена { $count } проблема.
    [few] Найдены { $count } проблемы.
   *[many] Найдено { $count } проблем.
}
check = Проверка
check-result = Результат
check-fix = Что сделать
verdict-fine = в порядке
verdict-notice = замечание
verdict-problem = проблема

## События: поиск

search-label = Запись, человек, канал, маршрут, трассировка или любое слово
search-example = deal 42
status = Состояние
any = любое
from = С
to = По
search = Найти
log-explained = Время указано в часовом поясе { $zone }. Журнал хранится 30 дней.
nothing-happened-yet = Пока ничего не происходило. Измените сделку в Битрикс24: она появится здесь через несколько секунд.
nothing-found = { $lines ->
    [one] Ничего не найдено: просмотрена { $lines } строка.
    [few] Ничего не найдено: просмотрены { $lines } строки.
   *[many] Ничего не найдено: просмотрено { $lines } строк.
}
nothing-found-yet = { $lines ->
    [one] Пока ничего не найдено: просмотрена { $lines } последняя строка.
    [few] Пока ничего не найдено: просмотрены { $lines } последние строки.
   *[many] Пока ничего не найдено: просмотрено { $lines } последних строк.
}
older = Более ранние
arrived = Получено
record = Запись
event = Событие
result = Результат
event-not-in-the-log = (события ещё нет в журнале)
and-more = и ещё { $count }
not-a-trace = Это не номер трассировки. Откройте событие на странице «События».
unknown-trace = События с такой трассировкой нет. Журнал хранится 30 дней.

## События: одно событие

arrived-with-trace = получено { $moment }, трассировка { $trace }
retry = Повторить
all-with-this-cause = Все сбои с этой причиной
received = Получено
received-as = { $moment } как { $event }
not-processed = Ещё не обработано
not-processed-explained = Задание в очереди, или срок хранения строки истёк.
processed = Обработано
routed = направлено
processed-after = Через { $duration } после получения.
tries = { $count ->
    [one] { $count } попытка.
    [few] { $count } попытки.
   *[many] { $count } попыток.
}
changes-found = Изменения: { $changes }
route-not-applied = Не применён: { $route }
by-route = Маршрут: { $route }
queued-after = Поставлено в очередь через { $duration } после получения.
calls-made = { $count ->
    [one] { $count } вызов.
    [few] { $count } вызова.
   *[many] { $count } вызовов.
}
delivered-after = Доставлено через { $duration } как { $id }.
call-since = Вызов начался { $moment }.
in-its-queue = Ожидает в очереди.
call-answered = есть ответ
call-failed = сбой
call-request = Запрос
call-response = Ответ

## Сбои доставки

failed-explained = Switchboard прекратил попытки и сам их не возобновит. Устраните причину и повторите: ничто не выполнится дважды.
failed-search-label = Любое слово из причины, трассировки или задания
filter = Отобрать
show-all = Показать все
no-failed = Сбоев доставки нет.
no-failed-found = Таких сбоев доставки нет.
failed-in-groups = { $count ->
    [one] { $count } сбой доставки
    [few] { $count } сбоя доставки
   *[many] { $count } сбоев доставки
}, { $groups ->
    [one] { $groups } группа.
    [few] { $groups } группы.
   *[many] { $groups } групп.
}
retry-all = Повторить все
retry-found = Повторить найденные
discard-all = Удалить все
discard-found = Удалить найденные
in-queue = в { $queue }
first-and-last = Первый сбой: { $first }, последний: { $last }.
retry-these = Повторить эти { $count }
discard-these = Удалить эти { $count }
show-failed = { $count ->
    [one] Показать { $count } доставку
    [few] Показать { $count } доставки
   *[many] Показать { $count } доставок
}
failed-at = Время сбоя
about = О чём
tries-made = Попытки
unknown = неизвестно
open-the-event = Открыть событие
discard = Удалить
failed-gone = Этих сбоев доставки больше нет.
what-will-happen = Что произойдёт
discard-planned = { $count ->
    [one] { $count } доставка со сбоем { $code } будет удалена навсегда. В журнале останется, кто это сделал и почему.
    [few] { $count } доставки со сбоем { $code } будут удалены навсегда. В журнале останется, кто это сделал и почему.
   *[many] { $count } доставок со сбоем { $code } будут удалены навсегда. В журнале останется, кто это сделал и почему.
}
retry-planned = { $count ->
    [one] { $count } доставка со сбоем { $code } вернётся в конец очереди { $queue }, после других для той же записи, того же канала или той же переписки.
    [few] { $count } доставки со сбоем { $code } вернутся в конец очереди { $queue }, каждая после других для той же записи, того же канала или той же переписки.
   *[many] { $count } доставок со сбоем { $code } вернутся в конец очереди { $queue }, каждая после других для той же записи, того же канала или той же переписки.
}
retry-takes-a-day = Каждая повторяется ещё до суток, в пределах ограничений сервисов.
retry-checks-first = Сначала Switchboard проверяет, что доставка уже успела сделать, и не делает этого дважды.
retry-and-cards = Карточка показывает состояние на момент события; для более поздних изменений есть свои карточки.
retry-fails-again = Если причина не устранена, доставки вернутся на эту страницу.
which-ones = Какие именно
reason = Причина
reason-example = канала больше нет
retry-count = { $count ->
    [one] Повторить { $count } доставку
    [few] Повторить { $count } доставки
   *[many] Повторить { $count } доставок
}
discard-count = { $count ->
    [one] Удалить { $count } доставку
    [few] Удалить { $count } доставки
   *[many] Удалить { $count } доставок
}
partly-done = { $error }. Выполнена только часть; повторите остальное.
retried-one = Доставка снова в очереди. Обновите страницу, чтобы увидеть результат.
retried = { $count ->
    [one] { $count } доставка снова в очереди.
    [few] { $count } доставки снова в очередях.
   *[many] { $count } доставок снова в очередях.
}
reason-is-needed = Ничего не удалено: укажите причину.
discarded = { $count ->
    [one] Удалена { $count } доставка.
    [few] Удалены { $count } доставки.
   *[many] Удалено { $count } доставок.
}

## Требует внимания

attention-explained = Значения, которые не приняла одна из сторон, и всё остальное, что мешает синхронизации записей и страниц. Обе стороны остаются как есть, остальные поля записи синхронизируются. Строка исчезнет, когда на обеих сторонах будет одно и то же значение.
no-more-entries = Больше ничего нет.
nothing-needs-attention = Ничего не требует внимания.
nothing-needs-attention-means = Каждое записанное значение видно и на другой стороне.
first-page = Первая страница
next-page = Следующая страница
paused = Приостановлено
database = База данных
field = Поле
all-fields = все
since = С какого времени
values = Значения
notion-page = Страница Notion
bitrix24-value-not-carried-over = Не удалось перенести значение из Битрикс24.
notion-value-not-carried-over = Не удалось перенести значение из Notion.
tried-again = повторная попытка { $ago }, результат тот же
database-not-in-settings = Этой базы данных больше нет в настройках.
remove-from-list = Убрать из списка
resumes-at = возобновится в { $time }
try-again = Попробовать снова
take-bitrix24-value = Взять значение из Битрикс24
take-notion-value = Взять значение из Notion
value-needs-no-attention = Это значение больше не требует внимания: стороны совпадают или пара не синхронизируется.
value-of = { $field } ({ $record }, { $database })
entry-has-no-page = У записи { $record } больше нет страницы, поэтому строка убрана из списка.
value-being-tried = Повторная попытка: { $value }. Обновите страницу: при успехе строка исчезнет, иначе будет указана причина.
cannot-take-value = Значение этой стороны нельзя записать на другую.
taking-bitrix24-value = Значение из Битрикс24 записывается в Notion: { $value }. Обновите страницу: строка исчезнет, когда значение появится на обеих сторонах. Другое значение сохранено в разделе «Конфликты» на странице Notion.
taking-notion-value = Значение из Notion записывается в Битрикс24: { $value }. Обновите страницу: строка исчезнет, когда значение появится на обеих сторонах. Другое значение сохранено в разделе «Конфликты» на странице Notion.
database-is-synced = Эта база данных синхронизируется: строка исчезнет, когда стороны совпадут.
entry-removed = Убрано из списка: { $value }. Обе стороны остаются как есть.
values-not-synced = { $count ->
    [one] Не удалось синхронизировать { $count } значение.
    [few] Не удалось синхронизировать { $count } значения.
   *[many] Не удалось синхронизировать { $count } значений.
}
more-values-not-synced = { $count ->
    [one] Не удалось синхронизировать более { $count } значения.
    [few] Не удалось синхронизировать более { $count } значений.
   *[many] Не удалось синхронизировать более { $count } значений.
}
values-not-synced-means = Обе стороны остаются как есть, пока кто-нибудь не примет решение.

## Люди

one-persons-data-link = Данные одного человека: скачать или удалить
own-rights = Люди действуют со своими правами. Кто ещё не дал разрешения, увидит просьбу о нём при первом использовании Switchboard.
connection-rights = Люди действуют с правами подключения: каждый связанный пользователь видит и меняет всё, что доступно подключению.
involved-only = Люди действуют только с записями, за которые отвечают, которые создали или за которыми наблюдают: у входящего вебхука нет их прав. Подключите приложение на странице /install, и они будут действовать со своими правами.
permissions-given = { $count ->
    [one] Разрешение дал { $count } человек.
    [few] Разрешение дали { $count } человека.
   *[many] Разрешение дали { $count } человек.
}
rights-setting = Это меняет параметр { $setting } на странице «{ $page }»: { $person }, { $person_only } или { $connection }.
people-counts = В Slack: { $slack }. В Битрикс24: { $bitrix24 }. Не связаны: { $open }.
not-linked = Не связаны
everyone-is-linked = Все в Slack связаны с пользователями Битрикс24.
linked = Связаны
no-one-is-linked = Пока никто не связан.
in-slack = В Slack
in-bitrix24 = В Битрикс24
email = Эл. почта
email-hidden = скрыта
suggestions = Возможно, это
no-similar-name = похожих имён нет
link = Связать
number-or-email = номер или эл. почта
number-or-email-of = Номер или эл. почта в Битрикс24: { $name }
linked-by = Как связаны
by-email = по эл. почте
by-hand = администратором
by-themselves = самостоятельно
by-settings = в настройках
permission = Разрешение
permission-given = есть
permission-not-given = нет
user-number = пользователь { $number }
unlink = Разорвать связь
unlink-person = Разорвать связь: { $name }
unlink-question = Эта учётная запись Slack больше не будет действовать в Битрикс24 от имени пользователя { $name }.
ended-links = Разорванные связи
ended-links-explained = Эти связи разорвались сами за последние 30 дней. Если это ошибка, свяжите человека снова.
noticed = Замечено
link-by-list = Связать по списку
list-label = Один человек на строку: ID или эл. почта в Slack, запятая, номер или эл. почта в Битрикс24
list-example =
    U024BE7LH, 15
    ann@corp.example, ann.lee@portal.example
link-them = Связать
linked-to = Учётная запись { $slack } теперь связана с пользователем { $name }.
not-in-slack = { $typed }: не найдено в Slack.
not-in-bitrix24 = { $typed }: не найдено в Битрикс24.
dismissed = { $name } ({ $typed }): сотрудник уволен в Битрикс24.
unlinked = Учётная запись { $slack } больше не связана с пользователем { $user }.
too-many-lines = { $most ->
    [one] Не более { $most } строки за раз; никто не связан.
    [few] Не более { $most } строк за раз; никто не связан.
   *[many] Не более { $most } строк за раз; никто не связан.
}
linked-count = Связано: { $count }.
line-problem = Строка { $line }: { $problem }
line-without-comma = нужны две части через запятую.

## Данные одного человека

one-persons-data = Данные одного человека
one-persons-data-explained = Когда человек (клиент, пользователь Битрикс24 или Slack) спрашивает, что о нём хранится, или просит это удалить.
who-label = Всё, что вы знаете о человеке, по одному на строку: contact 42, user 15, ID в Slack, эл. почта, телефон, части имени
who-example =
    contact 42
    ann@corp.example
who-is-needed = Укажите, кто это.
what-was-found = Что найдено
searched-for = Поиск по словам: { $words }.
not-searched-for = Отдельного поиска не было, потому что это может относиться к другим людям: { $words }. Если вы уверены, укажите и это.
nothing-is-stored = Об этом человеке здесь ничего не хранится.
what = Что
how-many = Сколько
on-deletion = При удалении
download-as-json = Скачать в JSON
delete-after-asking = Удалить…
where-found = Где
more-in-download = { $count ->
    [one] И ещё { $count }: в скачанном файле есть все.
    [few] И ещё { $count }: в скачанном файле есть все.
   *[many] И ещё { $count }: в скачанном файле есть все.
}
what-stays = Что остаётся и почему
too-large-to-download = Это слишком много для страницы. Команда «switchboard person export» запишет данные в файл.
person-deleted = Удалено: { $deleted }. Очищено от данных этого человека: { $blanked }. Удалено сбоев доставки: { $discarded }.
search-again = Искать снова
delete-person-question = Удалить данные этого человека?
delete-person-explained = Отменить это нельзя. Сначала удалите человека в Битрикс24, Slack и Notion: то, что там осталось, снова попадёт сюда.
delete = Удалить

## Ключи API

keys-explained = Ваши программы отправляют запросы на { $address }. Что можно запрашивать: { $document }.
openapi-document = документ OpenAPI
copy-the-key = Скопируйте ключ сейчас, больше он не показывается:
keys = Ключи
no-keys = Ключей пока нет.
key-name = Название
key-scopes = Разрешения
key-created = Создан
revoke = Отозвать
revoke-key = Отозвать { $name }
revoke-question = Программы с этим ключом будут получать отказ.
new-key = Новый ключ
key-purpose = Для чего он
key-example = Интернет-магазин
scope-read = читать журнал событий и доставок
scope-sync = запускать синхронизацию с Notion и следить за ней
scope-intake = создавать сделки и контакты
create-key = Создать ключ
key-needs = Ничего не создано: ключу нужны название и хотя бы одно разрешение.
too-many-keys = { $most ->
    [one] Ничего не создано: уже есть { $most } ключ. Сначала отзовите один.
    [few] Ничего не создано: уже есть { $most } ключа. Сначала отзовите один.
   *[many] Ничего не создано: уже есть { $most } ключей. Сначала отзовите один.
}
no-such-key = Такого ключа нет.
key-revoked = Ключ отозван и больше не принимается.

## Журнал изменений

signed-in = Кто вошёл
who = Кто
this-is-you = (это вы)
sign-out-person = Завершить сеанс: { $person }
sign-out-others = Завершить все остальные сеансы
changes = Изменения
no-changes = Изменений пока не было.
when = Когда
before-and-after = До и после
show = Показать
before = До
after = После
audit-explained = Хранится год. Секреты здесь не показываются.
session-has-ended = Этот сеанс уже завершён.
signed-out = Сеанс завершён.

## Вход

sign-in = Войти
sign-in-with-slack = Войти через Slack
slack-sign-in-for = Для администраторов подключённого рабочего пространства и людей, указанных в настройках в { $setting }.
one-time-code = Одноразовый код
code-explained = Код создаёт тот, кто обслуживает Switchboard, командой { $command }. Код действует один раз, в течение 15 минут.
too-many-codes = Слишком много неверных кодов
too-many-codes-explained = С вашего адреса пришло слишком много неверных кодов: не более { $most } за 15 минут. Попробуйте снова через { $minutes } мин. Верный код действует сразу.
wrong-code = Этот код неверен, просрочен или уже использован. Запросите новый.
public-address-needed = Для входа через Slack нужен публичный адрес: задайте public_url в конфигурации или параметр PublicUrl. До этого используйте код.
no-slack-app = Здесь нет приложения Slack. Используйте код.
sign-in-begun-elsewhere = Этот вход был начат в другом браузере или больше десяти минут назад либо уже использован. Начните снова.
slack-did-not-say = Slack не сообщил, кто вы: { $error }. Начните снова.
workspace-not-connected = Ваше рабочее пространство не подключено здесь к порталу. Администратор портала может подключить его на странице /install.
not-administrator-of-workspace = { $person }: не администратор рабочего пространства и не указан(а) в настройках (admins). Обратитесь к администратору.
not-administrator-of-organisation = { $person }: не администратор организации и не указан(а) в настройках (admins). Обратитесь к администратору.
ended-no-rights = Сеанс завершён: сервис, через который вы вошли, сообщает, что вы больше не администрируете страницы этой компании.
ended-unconfirmed = Сеанс завершён: сервис, через который вы вошли, в течение часа не мог подтвердить, что вы администрируете страницы этой компании. Войдите снова.

## Ошибки

settings-unreadable = Не удаётся прочитать настройки
