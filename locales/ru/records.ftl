## Поля

field-responsible = Ответственный
field-assignee = Исполнитель
field-previous-responsible = Прежний ответственный
field-creator = Создатель
field-sum = Сумма
field-stage = Стадия
field-from-stage = Прежняя стадия
field-funnel = Воронка
field-from-funnel = Прежняя воронка
field-source = Источник
field-company = Компания
field-contact = Контакт
field-client = Клиент
field-created = Создано
field-changed-fields = Изменённые поля
field-project = Проект
field-deadline = Крайний срок
field-from-deadline = Прежний крайний срок
field-status = Статус
field-from-status = Прежний статус
field-author = Автор
field-text = Текст
field-phone = Телефон
field-time = Время
field-duration = Длительность
field-deal = Сделка
field-reason = Причина
field-callback = Перезвонить
field-recording = Запись
field-type = Тип
field-id = ID
field-title = Название
field-url = Ссылка

## Значения

unknown = неизвестно
none = нет
no-title = (без названия)
a-file = (файл)
money = { $amount } { $currency }

## Статус задачи

task-pending = ждёт выполнения
task-in-progress = выполняется
task-awaiting-review = ждёт контроля
task-completed = завершена
task-deferred = отложена

## Записи по виду и номеру

lead = Лид { $id }
deal = Сделка { $id }
contact = Контакт { $id }
company = Компания { $id }
item = Элемент { $id } (смарт-процесс { $process })
task = Задача { $id }
call = Звонок { $id }

## Changes

leads = Лиды
deals = Сделки
tasks = Задачи
calls = Звонки
contacts = Контакты
companies = Компании
smart-process-items = Элементы смарт-процессов
created = создание
updated = изменение другого поля
stage-changed = переход на другую стадию
funnel-changed = переход в другую воронку
responsible-changed = смена ответственного
deleted = удаление
status-changed = начало, завершение, откладывание или возобновление
deadline-changed = изменение крайнего срока
commented = комментарий
ended = завершение принятого или исходящего звонка
missed = пропущенный звонок
recorded = появление записи звонка
custom-changes = собственные события
