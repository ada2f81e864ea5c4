at = { $place }: { $problem }
too-many-routes = маршрутов: { $count }; допустимо не больше { $most }
no-time-zone = нет часового пояса «{ $zone }»; напишите, например, "Europe/Berlin"
bursts-need-numbers = more_than и seconds должны быть больше 0; чтобы не объединять, напишите null
not-a-smart-process = { $number } — не смарт-процесс; лиды, сделки, контакты и компании отслеживаются и так
not-a-slack-user = «{ $portal }»: «{ $slack }» — не пара «номер пользователя портала: идентификатор пользователя Slack»; напишите, например, "15": "U024BE7LH"
not-a-notion-person = «{ $portal }»: «{ $notion }» — не пара «номер пользователя портала: идентификатор человека в Notion»; напишите номер, двоеточие и идентификатор
too-many-robots = расписаний (robots): { $count }; допустимо не больше { $most }
two-robots = два расписания называются «{ $name }»; переименуйте одно
no-such-database = в notion.databases нет базы «{ $name }»
two-routes = два маршрута называются «{ $name }»; переименуйте один
route-without-name = у маршрута нет имени; дайте ему имя
route-without-change = в маршруте «{ $name }» не указано изменение; укажите его, например deal.created
route-without-destination = в маршруте «{ $name }» не указано назначение; укажите канал, например "#sales-pipeline"
too-many-fields = на карточке не больше { $most ->
    [one] { $most } поля
    [few] { $most } полей
   *[many] { $most } полей
}

## Bot and robots

bot-without-name = у чат-бота нет имени; дайте ему имя
phrase-incomplete = у фразы должны быть заполнены says и answer
robot-name = расписанию нужно имя не длиннее { $most ->
    [one] { $most } знака
    [few] { $most } знаков
   *[many] { $most } знаков
}
time-too-long = время занимает { $count ->
    [one] { $count } знак
    [few] { $count } знака
   *[many] { $count } знаков
}; уложитесь в { $most }, например с помощью диапазонов 1-5
not-a-schedule = «{ $time }» — не время: { $reason }; напишите, например, "0 9 * * 1-5" — в девять с понедельника по пятницу

## Hours

not-a-time = «{ $time }» — не время суток; напишите, например, "09:00"
hours-end-first = «{ $to }» не позже «{ $from }»; часы заканчиваются в тот же день, когда начались
hours-without-day = не указан день; укажите хотя бы один, например mon
not-a-date = «{ $date }» — не дата; напишите, например, "2026-12-25"

## Databases

not-a-name = «{ $name }» — не имя; напишите слова без #
not-a-database = «{ $database }» — не база Notion; скопируйте её адрес из браузера
field-twice = поле «{ $field }» указано дважды; полю соответствует одно свойство
property-twice = свойство «{ $property }» указано дважды; свойству соответствует одно поле
two-databases = две базы называются «{ $name }»; переименуйте одну
key-twice = «{ $key }» указан дважды; указывайте каждый ключ один раз
no-such-key = у записей вида { $kind } нет ключа «{ $key }», по которому можно сопоставить строки; есть { $keys }
key-without-property = «{ $field }» — не ключ ({ $keys }) и не входит в поля базы «{ $database }»; добавьте его в `fields` или укажите свойство, в котором он записан: {"{"} key: { $field }, property: … {"}"}

## Destinations

no-such-role = нет роли «{ $role }»; есть { $roles }
no-channel = канал не указан; укажите его, например "#sales-pipeline"
not-a-channel = «{ $channel }» — не канал: в имени не бывает пробелов, и оно не длиннее { $most ->
    [one] { $most } знака
    [few] { $most } знаков
   *[many] { $most } знаков
}
only-tasks = у { $change } нет соисполнителей и наблюдателей; они есть только у задач

## Templates and fields

brace-open = скобка перед «{ $text }» не закрыта; чтобы написать саму скобку, используйте {"{{"}
brace-empty = между {"{"} и {"}"} нет слова
field-like = у { $change } нет поля «{ $field }»; возможно, имелось в виду «{ $like }»?
no-such-field = у { $change } нет поля «{ $field }»; есть { $fields }
change-has-no = у изменения нет «{ $field }»; есть name, from_stage и fields
no-such-root = в условии нет «{ $name }»; есть record, before и change
word-like = у { $change } нет слова {"{"}{ $word }{"}"}; возможно, имелось в виду {"{"}{ $like }{"}"}? Поля пишутся так: {"{record.NAME}"}
no-such-word = у { $change } нет слова {"{"}{ $word }{"}"}; есть { $words }

## The document as a whole

document-too-long = документ длиннее { $most } байт
nests-too-deep = в документе больше { $most ->
    [one] { $most } уровня вложенности
    [few] { $most } уровней вложенности
   *[many] { $most } уровней вложенности
}
not-yaml = это не YAML: { $reason }
second-document = здесь второй документ; оставьте один
no-aliases = ссылки (*name) здесь не используются; напишите само значение там, где оно нужно
too-many-values = в документе больше { $most } имён и значений
not-a-number = это не число или слишком большое число
name-is-text = имя должно быть текстом
no-tags = теги, ссылки и якоря здесь не используются

## Conditions

condition-too-long = условие длиннее { $most ->
    [one] { $most } знака
    [few] { $most } знаков
   *[many] { $most } знаков
}
condition-unreadable = не удаётся прочитать условие: { $reason }
too-many-brackets = в условии больше { $most } вложенных скобок
nests-expressions = выражения в условии вложены глубже { $most } уровней; пишите операторы короткими рядами, с && или || между ними
neither-true-nor-false = для этой записи условие ни истинно, ни ложно
