## Кнопки и слова нескольких страниц

save = Сохранить
name = Название
language = Язык
fields = Поля
bitrix24 = Битрикс24
notion = Notion
change = Изменить
to = Куда
one-document = Все настройки есть и в одном документе: { $settings }.
not-saved = Не сохранено.
fix-first = Сначала исправьте:
nothing-changed = Ничего не изменилось.
settings-are-newer = Кто-то изменил настройки после того, как вы открыли эту страницу. Ничего не сохранено. Посмотрите текущие настройки и повторите.

## Маршруты: список

routes-help = Маршрут определяет, какие изменения публикуются и куда. Каждый подходящий маршрут публикует свою карточку.
new-route = Новый маршрут
no-routes = Маршрутов нет, поэтому карточки не публикуются.
route = Маршрут
changes = Изменения
only-if = Условие
up = Выше
down = Ниже
delete = Удалить
move-up = Переместить «{ $route }» выше
move-down = Переместить «{ $route }» ниже
delete-route = Удалить «{ $route }»
route-is-saved = Маршрут «{ $route }» сохранён. Он начнёт действовать в течение минуты.
route-is-moved = Маршрут «{ $route }» перемещён.
route-is-deleted = Маршрут «{ $route }» удалён.
route-is-gone = Этого маршрута больше нет.

## Маршрут: что с ним не так

route-needs-name = Маршруту нужно название.
no-such-change = Изменения { $change } не существует.
route-needs-change = Отметьте хотя бы одно изменение.
bad-destination = { $destination }: { $reason }.
route-needs-destination = Укажите, куда публиковать: #канал, @responsible или несколько через запятую.

## Маршрут: форма

the-route = Маршрут: { $route }
to-help = Каналы — как { $sales }, люди — как { $responsible } или { $creator }, канал самой записи — как { $project }.
only-if-condition = Условие (CEL)
fallback = Канал для карточек, которые нельзя опубликовать там
thread = Если у записи уже есть карточка
thread-none = опубликовать новую карточку
thread-reply = ответить на первую карточку
thread-live = обновить первую карточку и добавить строку в её ветку
thread-only-reply = ответить; если карточки нет, не публиковать ничего
at-once = Сразу, даже в тихие часы и при всплеске изменений
the-card = Карточка
density = Подробность
by-default = по умолчанию
density-compact = две строки
density-normal = заголовок, поля, кнопка
density-full = больше полей
language-of-portal = язык портала
headline = Заголовок
example-headline = { "{" }company{ "}" } платит { "{" }sum{ "}" }
text = Текст
fields-one-per-line = Поля, по одному в строке
example-fields =
    responsible
    Вместе: { "{" }stage{ "}" } / { "{" }sum{ "}" }
button-that-opens = Кнопка, открывающая запись
yes = да
no = нет
words-for-changes = Слова для этих изменений: { $words }

## Маршрут: предварительный просмотр и проба на недавних изменениях

try-on-changes = { $count ->
    [one] Попробовать на последнем { $count } изменении
    [few] Попробовать на последних { $count } изменениях
   *[many] Попробовать на последних { $count } изменениях
}
preview = Предварительный просмотр
what-people-will-see = Что увидят люди
change-that-happened = Реальное изменение: { $record }
example-change = Пример: таких изменений ещё не было.
goes-to = Куда: { $destination }
would-not-be-posted = Это не будет опубликовано: { $reason }
on-the-last-changes = { $count ->
    [one] На последнем { $count } изменении
    [few] На последних { $count } изменениях
   *[many] На последних { $count } изменениях
}
no-changes-stored = Пока нет сохранённых изменений. Измените сделку в Битрикс24 и повторите.
would-have-been-posted = { $count ->
    [one] Была бы опубликована { $count } карточка.
    [few] Были бы опубликованы { $count } карточки.
   *[many] Было бы опубликовано { $count } карточек.
} Эта проба ничего не опубликовала.
when-utc = Когда (UTC)
what = Что
would-be-posted = Было бы опубликовано
by-route = { $destination }, маршрут «{ $route }»
no-route-fits = нет: для этого изменения нет подходящего маршрута

## Настройки одним документом

document-help = Все настройки в одном документе: его же применяет { $command }. Отдельные страницы есть у разделов: { $routes }, { $databases }, { $people }, { $bridges }.
download = Скачать
document = Документ (YAML)
check-and-compare = Проверить и сравнить
try-on-last-changes = Попробовать на последних изменениях
settings-unreadable = Текущие настройки не читаются ({ $reason }). Показаны настройки по умолчанию. Сохраните те, которые должны действовать.
what-would-change = Что изменится
only-the-order = Ничего, кроме, возможно, порядка.
document-is-fine = Ошибок не найдено. Документ ещё не сохранён.
document-is-saved = Сохранено. Начнёт действовать в течение минуты.

## Связь каналов и чатов

bridges-help = Сообщения канала появляются в его чате, а сообщения чата — в канале.
bridges-missed-help = Сообщения, правки, удаления и файлы, о которых события не дошли до Switchboard, находятся за несколько минут и копируются с опозданием. Реакции, команды и личные чаты с ботом найти нельзя.
channel-unread = Slack не даёт Switchboard читать этот канал ({ $code }), поэтому пропущенные сообщения здесь не находятся. Пригласите бота: /invite @Switchboard
chat-unread = Switchboard не может читать этот чат, поэтому сообщения, пропущенные за время его недоступности, здесь не находятся. Добавьте в чат пользователя, с правами которого подключён портал.
bot-is-user = Бот в Битрикс24 — пользователь { $id }. Он должен состоять в каждом связанном чате.
no-bot-yet = В Битрикс24 пока нет бота. Он появится вместе с первой связью.
no-bridges = Пока ни один канал не связан с чатом.
bridges = Связи каналов и чатов
channel = Канал
chat = Чат
made-by = Кто
by-settings = настройки
changed-in-settings = изменяется там
unbridge = Разъединить
unbridge-channel = Разъединить { $channel }
new-bridge = Связать канал с чатом
chat-by-number = Чат: номер или адрес
bridge = Связать
not-a-chat = «{ $chat }» — не чат. Укажите его как chat57 или адресом.
address-unknown = Switchboard не знает своего публичного адреса. Задайте public_url или параметр PublicUrl.
channel-refused = { $channel }: { $reason }.
chat-is-bridged = { $chat } уже связан с #{ $channel }. Сначала разъедините их.
bot-not-in-chat = Бот не видит { $chat }. Добавьте бота Switchboard в этот чат в Битрикс24, затем свяжите их.
bot-cannot-join = Бот не может войти в #{ $channel }: { $reason }. Пригласите его там: /invite @Switchboard
are-bridged = #{ $channel } и { $chat } теперь связаны.
one-is-bridged = Один из них уже связан с другим. Сначала разорвите ту связь.
are-unbridged = Канал больше не связан с чатом.

## Базы данных: форма

new-database = Новая база данных
the-database = База данных: { $database }
database-is-gone = В настройках больше нет этой базы данных.
database-address = Адрес в Notion
rows-are = Её строки — это
records-when = Только записи, подходящие под условие (CEL)
create-properties = Создать недостающие свойства в первый раз
match-by = Сопоставлять существующие строки по ключам (самые надёжные первыми)
example-keys = number, email, ufCrm_1714 = Код клиента
match-help = Если не заполнено: номер, затем название; для контактов — номер, почта, телефон и полное имя. { $example } называет свойство, в котором хранится ключ.
example-key = ключ = свойство
first-value = Если при связывании записи и строки значение есть у обеих
first-bitrix24 = взять значение из Битрикс24
first-notion = взять значение из Notion
first-ask = оставить оба, пока кто-нибудь не решит
record-deleted = Если запись удалена
page-trashed = Если страница перемещена в корзину
gone-mark = оставить вторую и пометить её
gone-keep = оставить вторую
gone-delete = удалить и вторую
gone-restore = восстановить
usual-fields = Использовать поля по умолчанию, показанные ниже. Чтобы действовали ваши изменения, снимите отметку
field-in-bitrix24 = Поле в Битрикс24
property-in-notion = Свойство в Notion
which-value-wins = Какое значение побеждает
later-wins = в обе стороны, побеждает более поздняя правка
bitrix24-wins = в обе стороны, побеждает Битрикс24
notion-wins = в обе стороны, побеждает Notion
only-bitrix24 = только из Битрикс24
only-notion = только из Notion
values = Значения (код = название; …)
type-if-created = Тип, если создаётся
options = Варианты
column-of-row = { $column }, строка { $row }
create-options = создавать недостающие
rows-help = Строка без поля не учитывается. Содержание новых страниц задаётся в документе ({ $settings }, ключ { $key }).
forget-database = Прекратить синхронизацию этой базы данных
forget-help = Страницы и записи на обеих сторонах останутся как есть. Их связи сохранятся, чтобы можно было продолжить позже.
remove-from-settings = Убрать из настроек
database-is-saved = База данных «{ $database }» сохранена. Составьте план заполнения, чтобы увидеть, что будет с имеющимися записями.
database-is-forgotten = База данных «{ $database }» больше не синхронизируется.

## Notion: подключение и вебхук

connected = Подключено рабочее пространство { $workspace } через подключение { $connection }. Откройте ему доступ к каждой базе данных: ••• › Connections › { $connection }.
not-connected = Рабочее пространство Notion не подключено. Подключите его на странице «{ $page }». Каждый шаг описан в docs/notion.md.
webhook = Вебхук
webhook-works = Подписанные события приходят. Последнее отмечено { $time }.
webhook-is-silent = Подписка есть, но её событий пока не было.
no-webhook = Без вебхука изменения в Notion обнаруживаются раз в 30 секунд. С вебхуком они приходят за секунды.
create-subscription = В Notion откройте своё подключение, затем Webhooks › Create a subscription.
webhook-address = Адрес: { $address }
webhook-address-unknown = (публичный адрес неизвестен: задайте public_url)
webhook-events = Версия 2026-03-11. События: page created, properties updated, deleted, undeleted, moved, content updated; data source schema updated, deleted, undeleted.
no-token-yet = Notion пришлёт на этот адрес токен. Он появится здесь: обновите страницу.
token-arrived = Notion прислал токен. Вставьте его в поле Verify: { $token }
tokens-arrived = { $count ->
    [one] Пришёл { $count } токен, ещё не подписавший ни одного события.
    [few] Пришло { $count } токена, ещё не подписавших ни одного события.
   *[many] Пришло { $count } токенов, ещё не подписавших ни одного события.
} Только один из них самый новый. Вставляйте их в поле Verify по очереди: Notion примет только его. Если вы не запрашивали несколько токенов, этот адрес знает кто-то ещё: создайте новый. { $tokens }
keep-waiting = Ждать ещё 15 минут
wait-for-token = Ждать проверочный токен (15 минут)
new-address = Создать новый адрес
new-address-help = Новый адрес сразу отменяет старый вместе с его подпиской. Создайте в Notion подписку для нового адреса и удалите там старую.
forget-old-subscriptions = Забыть все подписки, кроме самой новой
window-is-open = Проверочный токен принимается в течение 15 минут.
old-are-forgotten = Все подписки, кроме самой новой, забыты.

## Notion: базы данных

databases = Базы данных
no-databases = В настройках пока нет баз данных. Добавьте базу ниже.
add-database = Добавить базу данных
not-read-yet = ещё не прочитана
field-pauses = Поле { $field } приостановлено.
syncs = Записи: { $records }. { $fields ->
    [one] Синхронизируется { $fields } поле.
    [few] Синхронизируются { $fields } поля.
   *[many] Синхронизируется { $fields } полей.
}
syncs-only-if = Условие: { $condition }
plan-backfill = Составить план заполнения
run-backfill = Выполнить
database-is-unknown = В настройках больше нет базы данных «{ $database }».
backfill-is-running = Заполнение базы «{ $database }» уже идёт.
plan-has-begun = План составляется. Ход показан ниже.
run-has-begun = Заполнение началось. Ход показан ниже.

## Notion: заполнение

backfills = Заполнение
no-backfills = Заполнения ещё не было. План показывает, что сделало бы заполнение, и ничего не делает.
plan-state = План для { $database }: { $state }
run-state = Заполнение { $database }: { $state }
progress-of = Ход: { $database }
reading-rows = чтение строк
checking-numbers = проверка номеров в строках
comparing = сравнение записей со строками
going-through = обработка записей
done = готово
stopped = остановлено: { $reason }
read-so-far = Прочитано: { $rows ->
    [one] { $rows } строка
    [few] { $rows } строки
   *[many] { $rows } строк
} и { $records ->
    [one] { $records } запись
    [few] { $records } записи
   *[many] { $records } записей
}.
plan-counts = Страниц к созданию: { $created }. К связыванию по номеру: { $number }, по названию или имени: { $title }, по другому ключу: { $key }. К обновлению: { $changed }.
run-counts = Создано страниц: { $created }. Связано по номеру: { $number }, по названию или имени: { $title }, по другому ключу: { $key }. Обновлено: { $changed }.
other-counts = Уже связано: { $linked }. Не подходит под условие: { $left-out }. Ошибок: { $failed }.
to-decide = Решите сами. Записей с несколькими строками: { $doubles }. Записей, которые не удалось сопоставить или обработать: { $refused }. Строк с номером, которому не соответствует запись: { $strays }. Полей с разными значениями: { $undecided }.
show-every-record = Показать каждую запись и каждое поле
waits-for = Ожидание: { $reason }
examples = Примеры
begun = Начато: { $by }, { $time }

## Notion: конфликты

conflicts = Конфликты
no-conflicts = Конфликтов нет.
when = Когда
record = Запись
field = Поле
kept-value = Оставленное значение
kept-because = { $side }: { $reason }
because-master = так задано в настройках
because-later = изменено позже
because-same-minute = оба изменены в одну минуту, поэтому побеждает Битрикс24
because-one-way = поле синхронизируется только в одну сторону
because-other-unwritable = другое значение нельзя туда записать
because-chosen = это значение выбрал человек
because-first = так задано в настройках для связывания записи и строки
undone = отменено: { $by }, { $time }
write-other = Записать другое значение
cannot-be-undone = записать обратно нельзя
conflict-is-gone = Этот конфликт больше не хранится.
is-being-undone = Поле { $field } записи { $record } записывается обратно.

## Что сделает или сделало заполнение, запись за записью

the-plan = План для { $database }
the-run = Заполнение { $database }
run-is-gone = Срок хранения этого заполнения истёк. Составьте новый план на странице Notion.
run-continues = Заполнение продолжается. Обновите страницу, чтобы увидеть больше.
only-first-lines = { $count ->
    [one] Хранится только первая { $count } строка.
    [few] Хранятся только первые { $count } строки.
   *[many] Хранятся только первые { $count } строк.
} Итоги на странице Notion полные.
show = Показать
everything = всё
kind-double = Несколько строк с одним номером
kind-refused = Не решено или не удалось
kind-stray = Номера, которым не соответствует запись
kind-change = Связано, значения различаются
kind-link = Связано со строкой
kind-make = Новые страницы
filter = Отобрать
download-csv = Скачать CSV
back-to-notion = Назад к Notion
none-of-this-kind = Такого нет.
nothing-to-do = Делать нечего: все записи и строки связаны, и их значения совпадают.
next-page = Следующая страница
without-title = без названия
rows-with-number = { $count ->
    [one] Её номер указан в { $count } строке.
    [few] Её номер указан в { $count } строках.
   *[many] Её номер указан в { $count } строках.
}
different-values = Уже связано. { $count ->
    [one] Значения различаются в { $count } поле.
    [few] Значения различаются в { $count } полях.
   *[many] Значения различаются в { $count } полях.
}
would-be-linked = Будет связано со строкой. Ключ: { $key }.
was-linked = Связано со строкой. Ключ: { $key }.
key-number = номер
page-would-be-created = Будет создана страница.
page-was-created = Создана страница.
untitled = Без названия
what-happens = Что произойдёт
written-to = запись в { $side }
both-stay = остаются оба
both-stay-because = остаются оба: { $reason }
which-row-stays = Какая строка останется страницей { $record }?
other-rows = У остальных строк номер убирается, и они
others-stay = остаются с примечанием о том, какая строка синхронизируется
others-to-trash = перемещаются в корзину Notion с тем же примечанием
join-rows = Объединить
choose-row = Выберите строку, которая останется.
rows-are-joined = Строки { $record } объединяются. Составьте новый план, чтобы увидеть, что осталось.
rest-is-elsewhere = остальное в другом файле: { $address }
more = ещё
