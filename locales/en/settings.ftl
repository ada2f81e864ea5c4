### Problems of a settings document: what is wrong, and what to do. They follow the place and a colon.

# $place (text): where in the document
# $problem (text): what is wrong there
at = { $place }: { $problem }
# $count (number): how many there are
# $most (number): how many are allowed
too-many-routes = there are { $count } routes; at most { $most } are allowed
# $zone (text): what is written
no-time-zone = there is no time zone "{ $zone }"; write it like "Europe/Berlin"
bursts-need-numbers = more_than and seconds must be above 0; write null for no grouping
# $number (text): what is written
not-a-smart-process = { $number } is not a smart process; leads, deals, contacts and companies are watched anyway
# $portal (text): what is written for the portal
# $slack (text): what is written for Slack
not-a-slack-user = "{ $portal }": "{ $slack }" does not pair a portal user's number with a Slack user's id; write it like "15": "U024BE7LH"
# $portal (text): what is written for the portal
# $notion (text): what is written for Notion
not-a-notion-person = "{ $portal }": "{ $notion }" does not pair a portal user's number with a person's id in Notion; write the number, a colon and the id
# $count (number): how many there are
# $most (number): how many are allowed
too-many-robots = there are { $count } schedules; at most { $most } are allowed
# $name (text): the robot's name
two-robots = two schedules are named "{ $name }"; rename one
# $name (text): the database's name
no-such-database = there is no database "{ $name }" under notion.databases
# $name (text): the route's name
two-routes = two routes are named "{ $name }"; rename one
route-without-name = the route has no name; give it one
# $name (text): the route's name
route-without-change = route "{ $name }" names no change; name one, like deal.created
# $name (text): the route's name
route-without-destination = route "{ $name }" has no destination; name a channel, like "#sales-pipeline"
# $most (number): how many are allowed
too-many-fields = a card shows at most { $most ->
    [one] { $most } field
   *[other] { $most } fields
}

## Bot and robots

bot-without-name = the chatbot has no name; give it one
phrase-incomplete = a phrase needs something in says and in answer
# $most (number): how many characters are allowed
robot-name = a schedule needs a name of at most { $most ->
    [one] { $most } character
   *[other] { $most } characters
}
# $count (number): how many characters it has
# $most (number): how many are allowed
time-too-long = the time has { $count ->
    [one] { $count } character
   *[other] { $count } characters
}; write it in at most { $most }, with ranges like 1-5
# $time (text): what is written
# $reason (text): what is wrong with it, in English
not-a-schedule = "{ $time }" is not a time: { $reason }; write it like "0 9 * * 1-5", at nine from Monday to Friday

## Hours

# $time (text): what is written
not-a-time = "{ $time }" is not a time of the day; write it like "09:00"
# $to (text): when they end
# $from (text): when they begin
hours-end-first = "{ $to }" is not after "{ $from }"; hours end on the day they begin
hours-without-day = there is no day; name one, like mon
# $date (text): what is written
not-a-date = "{ $date }" is not a date; write it like "2026-12-25"

## Databases

# $name (text): what is written
not-a-name = "{ $name }" is not a name; write words without #
# $database (text): what is written
not-a-database = "{ $database }" is not a Notion database; copy its address from the browser
# $field (text): the field
field-twice = field "{ $field }" is mapped twice; a field goes with one property
# $property (text): the property
property-twice = property "{ $property }" is mapped twice; a property goes with one field
# $name (text): the database's name
two-databases = two databases are named "{ $name }"; rename one
# $key (text): the key
key-twice = "{ $key }" is named twice; name each key once
# $kind (text): the kind of record
# $key (text): the key
# $keys (text): the keys that there are
no-such-key = a { $kind } has no "{ $key }" that rows could be matched by; it has { $keys }
# $field (text): the field
# $keys (text): the keys that there are
# $database (text): the database's name
key-without-property = "{ $field }" is neither a key ({ $keys }) nor among the fields of database "{ $database }"; add it under `fields`, or name the property that holds it: {"{"} key: { $field }, property: … {"}"}

## Destinations

# $role (text): what is written
# $roles (text): the roles that there are
no-such-role = there is no role "{ $role }"; the roles are { $roles }
no-channel = no channel is named; name one, like "#sales-pipeline"
# $channel (text): what is written
# $most (number): how many characters are allowed
not-a-channel = "{ $channel }" is not a channel: names have no spaces and at most { $most ->
    [one] { $most } character
   *[other] { $most } characters
}
# $change (text): the change's name
only-tasks = { $change } has no accomplices and no auditors; only tasks have them

## Templates and fields

# $text (text): the text after the brace
brace-open = the brace before "{ $text }" is not closed; write {"{{"} for a brace in the text
brace-empty = there is no word between {"{"} and {"}"}
# $change (text): the change's name
# $field (text): what is written
# $like (text): what was probably meant
field-like = { $change } has no field "{ $field }"; did you mean "{ $like }"?
# $change (text): the change's name
# $field (text): what is written
# $fields (text): the fields that there are
no-such-field = { $change } has no field "{ $field }"; it has { $fields }
# $field (text): what is written
change-has-no = a change has no "{ $field }"; it has name, from_stage and fields
# $name (text): what is written
no-such-root = there is no "{ $name }" in a condition; there are record, before and change
# $change (text): the change's name
# $word (text): what is written
# $like (text): what was probably meant
word-like = { $change } has no word {"{"}{ $word }{"}"}; did you mean {"{"}{ $like }{"}"}? Fields are written {"{record.NAME}"}
# $change (text): the change's name
# $word (text): what is written
# $words (text): the words that there are
no-such-word = { $change } has no word {"{"}{ $word }{"}"}; it has { $words }

## The document as a whole

# $most (number): how many bytes are allowed
document-too-long = the document is longer than { $most } bytes
# $most (number): how many are allowed
nests-too-deep = the document nests deeper than { $most ->
    [one] { $most } level
   *[other] { $most } levels
}
# $reason (text): what the reader of YAML says, in English
not-yaml = this is not YAML: { $reason }
second-document = there is a second document; write only one
no-aliases = aliases (*name) are not used here; write the value where it is needed
# $most (number): how many are allowed
too-many-values = the document has more than { $most } names and values
not-a-number = this is not a number, or it is too large
name-is-text = a name must be a text
no-tags = tags, aliases and anchors are not used here

## Conditions

# $most (number): how many are allowed
condition-too-long = the condition is longer than { $most ->
    [one] { $most } character
   *[other] { $most } characters
}
# $reason (text): what the reader of conditions says, in English
condition-unreadable = the condition cannot be read: { $reason }
# $most (number): how many are allowed
too-many-brackets = the condition has more than { $most } brackets within brackets
# $most (number): how many are allowed
nests-expressions = the condition nests its expressions more than { $most } deep; write shorter rows of operators, with && or || between them
neither-true-nor-false = the condition is neither true nor false for this record
