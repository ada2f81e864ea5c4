## Состояния событий и доставок

status-delivered = доставлено
status-waiting = ожидает
status-skipped = пропущено
status-failed = сбой

## Обзор

all-is-well = Всё в порядке.
all-is-well-means = Всё подключено, сбоев и задержек нет.
problems = Проблемы
connections = Подключения
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
