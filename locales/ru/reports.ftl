## What is connected, and what was sent

access-rejected = { $provider } не принимает наш токен: { $reason }
connected = Подключено: { $providers }.
last-day = За последние 24 часа: доставлено { $delivered }, ожидает { $waiting }, сбоев { $failed }.
last-day-at-least = За последние 24 часа, не меньше: доставлено { $delivered }, ожидает { $waiting }, сбоев { $failed }.
notion = Notion: { $databases ->
    [one] { $databases } база
    [few] { $databases } базы
   *[many] { $databases } баз
}, { $conflicts ->
    [one] { $conflicts } конфликт
    [few] { $conflicts } конфликта
   *[many] { $conflicts } конфликтов
}.

## What changed

nothing-changed = С { $since } ничего не изменилось.
since = С { $since }:
since-at-least = С { $since }, не меньше:
count = { $kind }: { $count }

## Kinds of changes

lead-created = Лиды созданы
lead-updated = Лиды изменены
lead-stage-changed = Лиды сменили стадию
lead-responsible-changed = Лиды сменили ответственного
lead-deleted = Лиды удалены
deal-created = Сделки созданы
deal-updated = Сделки изменены
deal-stage-changed = Сделки сменили стадию
deal-funnel-changed = Сделки сменили воронку
deal-responsible-changed = Сделки сменили ответственного
deal-deleted = Сделки удалены
contact-created = Контакты созданы
contact-updated = Контакты изменены
contact-responsible-changed = Контакты сменили ответственного
contact-deleted = Контакты удалены
company-created = Компании созданы
company-updated = Компании изменены
company-responsible-changed = Компании сменили ответственного
company-deleted = Компании удалены
item-created = Элементы смарт-процессов созданы
item-updated = Элементы смарт-процессов изменены
item-stage-changed = Элементы смарт-процессов сменили стадию
item-funnel-changed = Элементы смарт-процессов сменили воронку
item-responsible-changed = Элементы смарт-процессов сменили ответственного
item-deleted = Элементы смарт-процессов удалены
task-created = Задачи созданы
task-updated = Задачи изменены
task-status-changed = Задачи сменили статус
task-responsible-changed = Задачи сменили исполнителя
task-deadline-changed = Задачи сменили крайний срок
task-commented = Комментарии к задачам
task-deleted = Задачи удалены
call-ended = Звонки
call-missed = Пропущенные звонки
call-recorded = Записи звонков
