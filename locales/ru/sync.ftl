## Values as lines of text

line = строка { $number }: { $reason }
not-a-number = «{ $line }» — не число; напишите 10 или 10.5
neither-yes-nor-no = «{ $line }» — ни yes, ни no; напишите одно из двух
not-a-date = «{ $line }» — не дата; напишите в виде 2026-12-31
not-a-moment = «{ $line }» — не дата со временем; напишите в виде 2026-12-31 15:30
has-a-fraction = { $number } — дробное число, а поле портала хранит целые; напишите целое число
too-many-decimals = в числе { $number } больше знаков после точки, чем хранит поле портала; напишите меньше знаков ({ $digits ->
    [one] { $digits } знак
    [few] { $digits } знака
   *[many] { $digits } знаков
})
not-a-sum = «{ $line }» — не сумма; напишите в виде 10 EUR
lacks-currency = в «{ $line }» нет валюты; напишите { $amount } EUR

## Names of people

name-missing = у человека должно быть имя; в Битрикс24 остаётся «{ $name }». Измените имя и фамилию в Битрикс24 или меняйте здесь что-то одно
name-not-divisible = «{ $text }» не удаётся разделить на имя и фамилию: от «{ $name }» отличается больше одной части. Измените имя и фамилию в Битрикс24 или меняйте здесь что-то одно
name-unclear = неясно, какая часть «{ $name }» изменена в «{ $text }»: имя, отчество или фамилия. Измените имя и фамилию в Битрикс24 или меняйте здесь что-то одно
name-is-whole = «{ $text }» содержит имя и фамилию, а поле «{ $field }» — только одно из них; сопоставьте с этим свойством поле «{ $whole }» или оставьте здесь что-то одно

## Formatted text

change-in-bitrix24 = { $reason }; измените это в Битрикс24
file-emptied = вместе с текстом пропал бы файл
file-removed = правка удалила бы файл из текста
edit-unclear = неясно, что именно изменено
file-changed = правка изменила или удалила бы файл в тексте
words-changed = правка изменила бы слова «{ $text }», которые пишет сам Битрикс24
address-changed = правка изменила бы адрес ссылки
across-cells = правка затрагивает несколько ячеек таблицы
address-removed = правка удалила бы адрес ссылки
list-changed = правка меняет пункты списка так, что её нельзя записать обратно
quote-changed = правка меняет цитату так, что её нельзя записать обратно
formatting-lost = правка меняет форматированный текст так, что форматирование пропало бы

## Values that Notion cannot hold

several-values = на портале { $count ->
    [one] { $count } значение
    [few] { $count } значения
   *[many] { $count } значений
}, а свойство «{ $property }» хранит одно; создайте для него свойство типа rich_text
no-page-yet = для номера { $numbers } ещё нет страницы в базе, на которую ведёт свойство «{ $property }»
too-many = { $count ->
    [one] есть { $count } значение
    [few] есть { $count } значения
   *[many] есть { $count } значений
}, а свойство «{ $property }» хранит не больше { $most }; оставьте меньше в Битрикс24
too-long-number = в числе { $number } больше цифр, чем хранит число в Notion; создайте вместо «{ $property }» свойство типа rich_text
no-option = у свойства «{ $property }» нет варианта «{ $options }»; добавьте его в Notion, укажите другой в `values` или разрешите `create_options`
too-long = длина — { $count ->
    [one] { $count } знак
    [few] { $count } знака
   *[many] { $count } знаков
}, а свойство «{ $property }» хранит не больше { $most }; сократите его в Битрикс24
first-page-missing = его страницы в первой базе ещё нет

## Values that Bitrix24 cannot hold

may-not-be-empty = поле портала «{ $field }» не может быть пустым; впишите значение в Notion или измените его в Битрикс24
one-line = поле портала хранит одно значение; оставьте одну строку
one-value = поле портала хранит одно значение; оставьте одно в Notion
several-in-bitrix24 = на портале в этом поле несколько значений; измените их там
several-wanted = поле хранит несколько значений, а здесь одно; пишите каждое с новой строки
line-holds-several = в строке { $line } несколько значений; пишите каждое с новой строки
address-has-place = у адреса «{ $address }» есть точка на карте, которая пропала бы; измените его в Битрикс24
no-such-value = у поля портала «{ $field }» здесь нет значения «{ $name }»; есть { $names }; выберите одно из них или укажите его в `values`
ambiguous-value = у поля портала «{ $field }» несколько значений называются в Notion «{ $name }» ({ $codes }); дайте им разные имена в `values`
unknown-person = { $name }: нет такого пользователя Битрикс24; укажите в обеих учётных записях один адрес почты или свяжите их в `notion.people`
too-many-people = Notion показывает не больше { $most ->
    [one] { $most } человека
    [few] { $most } человек
   *[many] { $most } человек
}; измените их в Битрикс24
strange-page = свойство «{ $property }» ссылается на страницу, которая не относится ни к одной записи портала

## Values that a provider changed

not-kept = { $side }: изменение принято, но { $difference }. { $fix }
check-bitrix24 = Проверьте настройки поля в Битрикс24 и права пользователя подключения или измените значение на одной из сторон так, чтобы обе могли его показать
check-notion = Проверьте свойство в Notion или измените значение на одной из сторон так, чтобы обе могли его показать
status-not-cleared = значение не очищено: статус там не бывает пустым и показывает вариант по умолчанию
not-cleared = значение не очищено
value-from-before = показывается прежнее значение
number-rounded = число округлено
sum-rounded = сумма округлена
other-currency = показывается другая валюта
values-dropped = пропало { $dropped } из { $count ->
    [one] { $count } значения
    [few] { $count } значений
   *[many] { $count } значений
}
people-dropped = пропало { $dropped } из { $count ->
    [one] { $count } человека
    [few] { $count } человек
   *[many] { $count } человек
}
records-dropped = пропало { $dropped } из { $count ->
    [one] { $count } записи
    [few] { $count } записей
   *[many] { $count } записей
}
shows-nothing = ничего не показывается
shows-another-value = показывается другое значение
text-cut = { $count ->
    [one] сохранён только первый { $count } знак
    [few] сохранены только первые { $count } знака
   *[many] сохранены только первые { $count } знаков
}
case-changed = изменены заглавные и строчные буквы
shows-another-text = показывается другой текст
refused = { $side }: значение отклонено: { $reason }
changed-back = { $side }: значение каждый раз после записи менялось обратно. Проверьте роботов Битрикс24 и автоматизации Notion, которые меняют это поле. Синхронизация этой записи продолжится в { $until }
undecided = когда запись и строку связали, значения в Битрикс24 и Notion различались, а в настройках указано `first: ask`; сделайте значения одинаковыми или выберите сторону на странице «Требует внимания»

## Conflicts: why one value was used

used-by-settings = так задано в настройках
used-as-later = изменено позже
used-in-same-minute = оба изменены в одну минуту, поэтому побеждает Битрикс24
used-as-one-way = поле синхронизируется только в одну сторону
used-as-other-cannot-be-written = другое значение нельзя туда записать
used-by-choice = это значение выбрал человек
used-when-linked = так задано в настройках для связывания записи и строки

## Fields and properties

no-such-field = на портале нет поля «{ $field }»; проверьте его имя в настройках базы «{ $database }»
property-renamed = свойство «{ $property }» базы «{ $database }» теперь называется «{ $name }»; оно известно по идентификатору и синхронизируется дальше. Укажите новое имя в настройках
type-does-not-fit = поле «{ $field }» нельзя записывать в свойство типа { $wanted }: { $reason }; укажите для свойства «{ $property }» тип { $usual } в настройках базы «{ $database }»
no-such-property = в базе «{ $database }» нет свойства «{ $property }»; добавьте его с типом { $wanted } или измените настройки
property-does-not-fit = поле «{ $field }» нельзя записывать в свойство «{ $property }» базы «{ $database }» типа { $kind }: { $reason }; создайте для него свойство типа { $usual }
property-of-wrong-type = свойство «{ $property }» базы «{ $database }» должно быть типа { $kind }; переименуйте или измените его
option-renamed = вариант «{ $option }» свойства «{ $property }» теперь называется «{ $name }»; он известен по идентификатору и синхронизируется дальше. Добавьте `"{ $code }": "{ $name }"` в `values` поля «{ $field }» в настройках
property-type-differs = свойство «{ $property }» базы «{ $database }» типа { $kind }, а в настройках указан { $wanted }; измените одно из двух
property-deleted = свойство «{ $property }» базы «{ $database }» удалено; восстановите его в Notion из корзины или уберите из настроек
property-type-changed = свойство «{ $property }» базы «{ $database }» было типа { $before }, а теперь { $kind }; верните прежний тип или уберите поле из настроек и добавьте снова
holds-one = поле хранит несколько значений, а свойство — одно
other-type = свойство хранит значения другого типа
read-only-property = свойство заполняет сам Notion, записать в него нельзя
unknown-type = такой тип свойства неизвестен

## Databases

no-such-database = в настройках больше нет базы «{ $database }»
needs-number-property = базе «{ $database }» нужно числовое свойство «{ $property }»: без него страницы могли бы создаваться дважды
not-a-database = «{ $database }» — не база Notion; скопируйте её адрес
several-sources = в базе «{ $database }» несколько источников данных; укажите идентификатор одного в настройках: { $sources }
database-in-trash = база «{ $database }» в корзине Notion; восстановите её там
capability-missing = Notion отказывает в доступе к базе «{ $database }»: подключению не хватает возможностей. Откройте его в Notion: Settings > Connections > Develop, и разрешите читать, изменять и добавлять содержимое и читать данные пользователей с адресами почты
not-shared = база «{ $database }» не открыта для подключения «{ $connection }» или удалена. В рабочем пространстве Notion «{ $workspace }»: 1. откройте базу на всю страницу ({ $address }); 2. нажмите ••• справа вверху; 3. выберите Connections; 4. найдите «{ $connection }» и подтвердите. Синхронизация продолжится в течение двух минут

## Rows that cannot be linked

too-many-rows = в базе «{ $database }» больше { $most } строк без номера, которые могут относиться к записи { $record }; сначала запустите заполнение базы
row-of-another = у строки { $row } номер записи { $record }, но она связана с записью { $owner }; впишите в неё { $number } и запустите заполнение
same-number = { $count ->
    [one] { $count } строка имеет
    [few] { $count } строки имеют
   *[many] { $count } строк имеют
} номер записи { $record } ({ $rows }); объедините их в плане (/admin › Notion › Составить план заполнения › Показать каждую запись и каждое поле) или командой `switchboard sync join "{ $database }" "{ $key }" --keep ADDRESS`
several-rows = { $count ->
    [one] { $count } строка совпадает
    [few] { $count } строки совпадают
   *[many] { $count } строк совпадают
} с записью ({ $key }): { $rows }; впишите её номер { $number } в «{ $property }» нужной строки
several-records = строка { $row } ({ $key }) подходит к нескольким записям: { $records }; впишите номер нужной в её «{ $property }»

stray-of-another = у неё номер записи { $record }, но она связана с записью { $owner }; впишите { $number } в её «{ $property }»
stray-number = у неё номер { $number }, но в Битрикс24 нет записи { $record }, доступной подключению; исправьте или очистите номер
key-number = номер
key-title = название
key-full-name = полное имя
key-email = почта
key-phone = телефон

## A record and a page that are no longer synced

record-gone = запись удалена в Битрикс24 или объединена с другой
page-trashed = страница в корзине Notion
page-gone = страница удалена из Notion навсегда или больше не открыта для подключения
page-moved = страница перемещена из базы

## Notes on pages, and a comment on a record

note-deleted = Удалено в Битрикс24 (обнаружено { $day })
note-double = Дубликат записи { $record }, её страница — { $page }. Эта строка не синхронизируется; её текст не изменён.
note-copy = Копия страницы записи { $record }: не синхронизируется
note-unknown = В Битрикс24 нет записи { $record }, или подключение её не видит
comment-apart = { $database }: { $reason }.
