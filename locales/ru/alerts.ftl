## Access to a provider

access-rejected = { $provider } не принимает наш токен с { $since }: { $reason }
reconnect = Подключите заново: { $address }. Ничего не потеряно: всё, что туда отправляется, ждёт и уйдёт после подключения.
access-works-again = { $provider } снова принимает наш токен
access-was-rejected = Токен отклонялся с { $since }. Всё, что ждало, сейчас отправляется.

## Another application connected the portal


## Settings

settings-unreadable = Не удаётся прочитать настройки. Пока они не исправлены, ничего не доставляется.

## A channel in Slack

channel-trouble = Карточки не доходят в { $channel }
channel-reason = Маршрут «{ $route }»: { $reason }
channel-not-found = Создайте канал, пригласите в него бота, если канал закрытый, или измените маршрут.
channel-archived = Разархивируйте канал или измените маршрут.
channel-needs-invitation = Пригласите бота в канал: /invite @Switchboard
channel-restricted = Slack не разрешает боту это действие. Создайте канал вручную и пригласите бота.
cards-can-be-retried = Карточки сохранены как недоставленные. Повторите отправку, когда причина будет устранена.

## No events from Bitrix24

family-crm = CRM
family-tasks = задачи
family-calls = звонки
either-family = { $first } и { $second }
silence = Из Битрикс24 нет событий ({ $families }) уже { $minutes ->
    [one] { $minutes } минуту
    [few] { $minutes } минуты
   *[many] { $minutes } минут
} рабочего времени
silence-over = События из Битрикс24 снова приходят: их не было { $minutes ->
    [one] { $minutes } минуту
    [few] { $minutes } минуты
   *[many] { $minutes } минут
}
last-event = Последнее событие ({ $family }): { $moment }
never = ещё не было
portal-not-installed = Портал отвечает, но приложение установлено не полностью, поэтому Битрикс24 не присылает событий. Откройте приложение один раз от имени администратора.
portal-payment-expired = Портал отвечает, но оплата приложения закончилась, поэтому Битрикс24 не присылает событий.
portal-answers = Портал отвечает на наши запросы.
portal-does-not-answer = Портал не отвечает на наши запросы: { $reason }
no-sweep-yet = Ни одна проверка пропущенных изменений ещё не завершилась.
sweep-found-nothing = Сегодня пропущенных изменений не найдено. Возможно, ничего не происходило.
sweep-found = Сегодня { $count ->
    [one] найдено { $count } изменение без события, его карточка отправлена
    [few] найдено { $count } изменения без событий, их карточки отправлены
   *[many] найдено { $count } изменений без событий, их карточки отправлены
}.
events-by-hand = События выбраны вручную в исходящем вебхуке. Проверьте, что он существует, что его адрес верен и что события со страницы состояния отмечены.
events-not-bound = Не удалось подписаться на события: { $events }
events-bound-again = { $count ->
    [one] Подписка на { $count } событие пропала и восстановлена
    [few] Подписки на { $count } события пропали и восстановлены
   *[many] Подписки на { $count } событий пропали и восстановлены
}: { $events }
all-events-bound = Подписки на все события, нужные маршрутам, на месте.
events-unknown = Не удалось проверить подписки на события: { $reason }

## Notion sync

sync-undecided = { $record } ({ $title }): не удалось связать со строкой базы Notion «{ $database }»
sync-stuck = { $record } ({ $title }): не удалось синхронизировать поле { $field }, значение из { $side }
sync-stuck-values = В Битрикс24: «{ $bitrix24 }», в Notion: «{ $notion }».
sync-stuck-next = Обе стороны сохраняют свои значения, остальные поля синхронизируются. Все такие значения перечислены в /admin на странице «Needs attention»: там можно повторить попытку или взять значение другой стороны.
sync-loop = { $record } ({ $title }): что-то отменяет синхронизацию
sync-loop-field = Поле «{ $field }» за час получило в { $side } значение «{ $value }» { $times ->
    [one] { $times } раз
    [few] { $times } раза
   *[many] { $times } раз
}, и каждый раз его меняли обратно. Проверьте роботов Битрикс24 и автоматизации Notion. Синхронизация этой записи приостановлена до { $until }.
sync-apart = { $record } ({ $title }) и страница в Notion больше не синхронизируются
sync-apart-database = База «{ $database }»: { $reason }
sync-apart-record-gone = Страница остаётся. Восстановите запись из корзины или переместите страницу в корзину Notion.
sync-apart-page-trashed = Запись остаётся. Восстановите страницу в Notion, и синхронизация продолжится.
sync-apart-page-gone = Запись остаётся. Если база этой страницы больше не открыта для подключения, откройте доступ снова.
sync-apart-page-moved = Запись остаётся. Верните страницу в её базу, и синхронизация продолжится.
sync-no-more-pages = Notion больше не создаёт страниц: бесплатные блоки рабочего пространства закончились
sync-failed = { $record } и база Notion «{ $database }»: синхронизация невозможна
database-closed = Базу Notion «{ $database }» нельзя использовать. Её синхронизация приостановлена.
mapping-paused = Поле «{ $field }» базы Notion «{ $database }» приостановлено. Остальные поля синхронизируются.
mapping-renamed = Поле «{ $field }» базы Notion «{ $database }» теперь называется иначе. Синхронизация продолжается.
