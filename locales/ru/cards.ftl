## Создано

lead-created = Новый лид { $link }
    .notification = Новый лид: { $title }
deal-created = Новая сделка { $link }
    .notification = Новая сделка: { $title }
contact-created = Новый контакт { $link }
    .notification = Новый контакт: { $title }
company-created = Новая компания { $link }
    .notification = Новая компания: { $title }
item-created = Новый элемент { $link }
    .notification = Новый элемент: { $title }
task-created = Новая задача { $link }
    .notification = Новая задача: { $title }

## Перемещено

deal-won = Сделка успешна: { $link }
    .notification = Сделка успешна: { $title } ({ $from_stage } → { $stage })
deal-lost = Сделка провалена: { $link }
    .notification = Сделка провалена: { $title } ({ $from_stage } → { $stage })
deal-moved = Сделка { $link }
    .notification = Сделка { $title }: { $from_stage } → { $stage }
lead-moved = Лид { $link }
    .notification = Лид { $title }: { $from_stage } → { $stage }
item-moved = Элемент { $link }
    .notification = Элемент { $title }: { $from_stage } → { $stage }
deal-changed-funnel = Сделка { $link } перемещена в другую воронку
    .notification = Сделка { $title }: { $from_funnel } → { $funnel }, { $stage }
item-changed-funnel = Элемент { $link } перемещён в другую воронку
    .notification = Элемент { $title }: { $from_funnel } → { $funnel }, { $stage }

## Изменено и удалено

responsible-changed = { $link }: новый ответственный — { $responsible }
    .notification = { $title }: новый ответственный — { $responsible }
updated = Изменено: { $link }
    .notification = Изменено: { $title } ({ $changed_fields })
lead-deleted = Удалено: { $title } (лид { $id })
deal-deleted = Удалено: { $title } (сделка { $id })
contact-deleted = Удалено: { $title } (контакт { $id })
company-deleted = Удалено: { $title } (компания { $id })
item-deleted = Удалено: { $title } (элемент { $id })
task-deleted = Удалено: { $title } (задача { $id })
deleted-notification = Удалено: { $title }

## Задачи

task-changed-status = Задача { $link }
    .notification = Задача { $title }: { $from_status } → { $status }
task-changed-deadline = Новый крайний срок задачи { $link }
    .notification = Новый крайний срок задачи «{ $title }»: { $deadline }
task-commented = { $author }: комментарий к задаче { $link }
    .notification = { $author }, комментарий к задаче «{ $title }»: { $text }

## Звонки

call-missed = Пропущенный звонок: { $phone }
call-ended = Звонок: { $phone }
call-recorded = Запись звонка: { $phone }

## События портала

custom = { $type }: { $link }
    .notification = { $type }: { $title }

## Части карточек

open = Открыть в Битрикс24
listen = Прослушать
listen-in-bitrix24 = Прослушать в Битрикс24

## Сводки

digest = { $count ->
    [one] { $title }: { $count } изменение
    [few] { $title }: { $count } изменения
   *[many] { $title }: { $count } изменений
}
after-quiet-hours = За тихие часы
many-at-once = Много изменений сразу
and-more = и ещё { $count }
