### Notion sync: why a value, a field or a database cannot be synced, and notes on pages and records.
### Reasons begin in lower case: they follow a name or a colon.

## Values as lines of text

# $number (number): the line's number
# $reason (text): what is wrong with it
line = line { $number }: { $reason }
# $line (text): what is written
not-a-number = "{ $line }" is not a number; write it as 10 or 10.5
# $line (text): what is written
neither-yes-nor-no = "{ $line }" is neither yes nor no; write one of them
# $line (text): what is written
not-a-date = "{ $line }" is not a date; write it as 2026-12-31
# $line (text): what is written
not-a-moment = "{ $line }" is not a date with a time; write it as 2026-12-31 15:30
# $number (text): what is written
has-a-fraction = { $number } has a fraction, and the portal's field holds whole numbers; write a whole number
# $number (text): what is written
# $digits (number): how many the field holds
too-many-decimals = { $number } has more than the { $digits ->
    [one] { $digits } digit
   *[other] { $digits } digits
} after the point that the portal's field holds; write fewer
# $line (text): what is written
not-a-sum = "{ $line }" is not a sum; write it as 10 EUR
# $line (text): what is written
# $amount (text): the amount in it
lacks-currency = "{ $line }" lacks its currency; write it as { $amount } EUR

## Names of people

# $name (text): the name in Bitrix24
name-missing = a person needs a name, and "{ $name }" stays in Bitrix24. Change first and last name in Bitrix24, or change one of them at a time here
# $text (text): what is written
# $name (text): the name in Bitrix24
name-not-divisible = "{ $text }" cannot be divided into first and last name: more than one part of "{ $name }" is different. Change first and last name in Bitrix24, or change one of them at a time here
# $text (text): what is written
# $name (text): the name in Bitrix24
name-unclear = it is not clear which part of "{ $name }" is different in "{ $text }": first, second or last name. Change first and last name in Bitrix24, or change one of them at a time here
# $text (text): what is written
# $field (text): the portal's field
# $whole (text): the portal's field of the whole name
name-is-whole = "{ $text }" holds first and last name, and the field "{ $field }" only one of them; map the field "{ $whole }" to this property, or write one of them here

## Formatted text

# $reason (text): what would be lost
change-in-bitrix24 = { $reason }; change it in Bitrix24
file-emptied = emptying the text would remove a file in it
file-removed = the edit would remove a file in the text
edit-unclear = it is not clear what the edit changes
file-changed = the edit would change or remove a file in the text
# $text (text): the words
words-changed = the edit would change the words of “{ $text }”, which Bitrix24 writes
address-changed = the edit would change the address of a link
across-cells = the edit goes across the cells of a table
address-removed = the edit would remove the address of a link
list-changed = the edit changes the points of a list in a way that cannot be written back
quote-changed = the edit changes a quote in a way that cannot be written back
formatting-lost = the edit changes formatted text in a way that would lose its formatting

## Values that Notion cannot hold

# $count (number): how many the portal holds
# $property (text): the property in Notion
several-values = the portal holds { $count ->
    [one] { $count } value
   *[other] { $count } values
}, and property "{ $property }" holds one; create a property of type rich_text for it
# $numbers (text): the numbers of the records
# $property (text): the property in Notion
no-page-yet = number { $numbers } has no page yet in the database that property "{ $property }" leads to
# $count (number): how many there are
# $property (text): the property in Notion
# $most (number): how many it holds
too-many = there are { $count ->
    [one] { $count } value
   *[other] { $count } values
}, and property "{ $property }" holds { $most }; leave fewer in Bitrix24
# $number (text): the number
# $property (text): the property in Notion
too-long-number = { $number } has more digits than a number in Notion holds; create a property of type rich_text instead of "{ $property }"
# $property (text): the property in Notion
# $options (text): the missing options
no-option = property "{ $property }" has no option "{ $options }"; add it in Notion, name another under `values`, or allow `create_options`
# $count (number): how many characters it has
# $property (text): the property in Notion
# $most (number): how many it holds
too-long = it has { $count ->
    [one] { $count } character
   *[other] { $count } characters
}, and property "{ $property }" holds { $most }; shorten it in Bitrix24
first-page-missing = its page in the first database does not exist yet

## Values that Bitrix24 cannot hold

# $field (text): the portal's field
may-not-be-empty = the portal's field "{ $field }" may not be empty; write a value in Notion, or change the one in Bitrix24
one-line = the portal's field holds one value; leave one line
one-value = the portal's field holds one value; leave one in Notion
several-in-bitrix24 = the portal holds several values in this field; edit it there
several-wanted = the field holds several values, and this is one; write each on a line of its own
# $line (number): the line's number
line-holds-several = line { $line } holds several of the values; write each on a line of its own
# $address (text): the address
address-has-place = the address "{ $address }" has a place on the map, which would be lost; change it in Bitrix24
# $field (text): the portal's field
# $name (text): the option's name
# $names (text): the names of the field's values
no-such-value = the portal's field "{ $field }" has no value "{ $name }" here; it has { $names }; choose one of these, or name it under `values`
# $field (text): the portal's field
# $name (text): the option's name
# $codes (text): the codes of those values
ambiguous-value = the portal's field "{ $field }" has several values that are called "{ $name }" in Notion ({ $codes }); give them different names under `values`
# $name (text): the person's name
unknown-person = { $name } has no Bitrix24 user; give both accounts the same email, or link them under `notion.people`
# $most (number): how many Notion shows
too-many-people = Notion shows only { $most ->
    [one] { $most } person
   *[other] { $most } people
}; change them in Bitrix24
# $property (text): the property in Notion
strange-page = property "{ $property }" links to a page that does not belong to a record of the portal

## Values that a provider changed

# $side (text): Bitrix24 or Notion
# $difference (text): what it made of the value
# $fix (text): what to do
not-kept = { $side } accepted the change but { $difference }. { $fix }
check-bitrix24 = Check the field's settings in Bitrix24 and what the connection's user may change there, or change the value on either side so that both can show it
check-notion = Check the property in Notion, or change the value on either side so that both can show it
status-not-cleared = did not clear it: a status is never empty there and shows its default
not-cleared = did not clear it
value-from-before = still shows the value from before
number-rounded = rounded the number
sum-rounded = rounded the sum
other-currency = shows another currency
# $dropped (number): how many are missing
# $count (number): how many there were
values-dropped = dropped { $dropped } of the { $count ->
    [one] { $count } value
   *[other] { $count } values
}
# $dropped (number): how many are missing
# $count (number): how many there were
people-dropped = dropped { $dropped } of the { $count ->
    [one] { $count } person
   *[other] { $count } people
}
# $dropped (number): how many are missing
# $count (number): how many there were
records-dropped = dropped { $dropped } of the { $count ->
    [one] { $count } record
   *[other] { $count } records
}
shows-nothing = shows nothing
shows-another-value = shows another value
# $count (number): how many characters
text-cut = kept only its first { $count ->
    [one] { $count } character
   *[other] { $count } characters
}
case-changed = changed upper and lower case in it
shows-another-text = shows another text
# $side (text): Bitrix24 or Notion
# $reason (text): what it answered
refused = { $side } refused it: { $reason }
# $side (text): Bitrix24 or Notion
# $until (text): the time of day until when
changed-back = { $side } changed it back each time it was written. Look for an automation rule in Bitrix24 or an automation in Notion that sets this field. The sync of this record continues at { $until }
undecided = Bitrix24 and Notion had different values when they were linked, and the settings say `first: ask`; make both the same, or choose a side under Needs attention

## Conflicts: why one value was used

used-by-settings = the settings prefer it
used-as-later = it was edited later
used-in-same-minute = both were edited in the same minute, so Bitrix24 wins
used-as-one-way = the field is synced one way only
used-as-other-cannot-be-written = the other value cannot be written there
used-by-choice = someone chose this value
used-when-linked = the settings prefer it when a record and a row are linked

## Fields and properties

# $field (text): the portal's field
# $database (text): the database's name in the settings
no-such-field = the portal has no field "{ $field }"; check its name in the settings of database "{ $database }"
# $property (text): the property's name in the settings
# $database (text): the database's name in the settings
# $name (text): its name in Notion
property-renamed = property "{ $property }" of database "{ $database }" is called "{ $name }" now; it is known by its id and stays synced. Put the new name into the settings
# $field (text): the portal's field
# $wanted (text): the type in the settings
# $reason (text): why not
# $usual (text): a type that fits
# $property (text): the property's name in the settings
# $database (text): the database's name in the settings
type-does-not-fit = field "{ $field }" cannot go into a property of type { $wanted }, because { $reason }; use type { $usual } for property "{ $property }" in the settings of database "{ $database }"
# $database (text): the database's name in the settings
# $property (text): the property's name in the settings
# $wanted (text): the type that it needs
no-such-property = database "{ $database }" has no property "{ $property }"; add it there with type { $wanted }, or change the settings
# $field (text): the portal's field
# $property (text): the property in Notion
# $database (text): the database's name in the settings
# $kind (text): the property's type
# $reason (text): why not
# $usual (text): a type that fits
property-does-not-fit = field "{ $field }" cannot go into property "{ $property }" of database "{ $database }", which is of type { $kind }, because { $reason }; create a property of type { $usual } for it
# $property (text): the property in Notion
# $database (text): the database's name in the settings
# $kind (text): the type that it needs
property-of-wrong-type = property "{ $property }" of database "{ $database }" must be of type { $kind }; rename or change it
# $option (text): the option's name in the settings
# $property (text): the property in Notion
# $name (text): its name in Notion
# $code (text): the value's code on the portal
# $field (text): the portal's field
option-renamed = option "{ $option }" of property "{ $property }" is called "{ $name }" now; it is known by its id and stays synced. Put `"{ $code }": "{ $name }"` under `values` of field "{ $field }" in the settings
# $property (text): the property in Notion
# $database (text): the database's name in the settings
# $kind (text): the property's type
# $wanted (text): the type in the settings
property-type-differs = property "{ $property }" of database "{ $database }" is of type { $kind }, and the settings say { $wanted }; change one of them
# $property (text): the property's name in the settings
# $database (text): the database's name in the settings
property-deleted = property "{ $property }" of database "{ $database }" was deleted; restore it in Notion from the trash, or remove it from the settings
# $property (text): the property in Notion
# $database (text): the database's name in the settings
# $before (text): the type that it had
# $kind (text): the type that it has
property-type-changed = property "{ $property }" of database "{ $database }" was of type { $before } and is { $kind } now; change it back, or remove the mapping from the settings and add it again
holds-one = the field holds several values and the property holds one
other-type = the property holds values of another type
read-only-property = Notion fills the property and nobody can write it
unknown-type = this type of property is not known

## Databases

# $database (text): the database's name in the settings
no-such-database = the settings have no database "{ $database }" any more
# $database (text): the database's name in the settings
# $property (text): the property's name
needs-number-property = database "{ $database }" needs a number property "{ $property }": without it pages could be created twice
# $database (text): what the settings have
not-a-database = "{ $database }" is not a Notion database; copy its address
# $database (text): the database's name in the settings
# $sources (text): their names and ids
several-sources = database "{ $database }" has several data sources; put the id of one into the settings: { $sources }
# $database (text): the database's name in the settings
database-in-trash = database "{ $database }" is in Notion's trash; restore it there
# $database (text): the database's name in the settings
capability-missing = Notion refuses database "{ $database }": the connection lacks a capability. Open it in Notion under Settings > Connections > Develop, and allow reading, updating and inserting content and reading user information with email addresses
# $database (text): the database's name in the settings
# $connection (text): the connection's name in Notion
# $workspace (text): the workspace's name
# $address (text): the database's address
not-shared = database "{ $database }" is not shared with the connection "{ $connection }", or was deleted. In Notion's workspace "{ $workspace }": 1. open the database as a full page ({ $address }); 2. click ••• at its top right; 3. choose Connections; 4. search for "{ $connection }" and confirm. Within two minutes the sync continues

## Rows that cannot be linked

# $database (text): the database's name in the settings
# $most (number): how many are compared
# $record (text): the record
too-many-rows = database "{ $database }" has more than { $most } rows without a number that may be { $record }; run a backfill over it first
# $row (text): the row's address
# $record (text): the record
# $owner (text): the record that it is linked with
# $number (text): that record's number
row-of-another = row { $row } has the number of { $record } and is linked with { $owner }; write { $number } into it, and run a backfill
# $count (number): how many
# $record (text): the record
# $rows (text): their addresses
# $database (text): the database's name in the settings
# $key (text): the record as commands name it
same-number = { $count ->
    [one] { $count } row has
   *[other] { $count } rows have
} the number of { $record } ({ $rows }); join them in a plan (/admin › Notion › Plan a backfill › Show every record and field), or with `switchboard sync join "{ $database }" "{ $key }" --keep ADDRESS`
# $count (number): how many
# $key (text): what they share with the record
# $rows (text): their addresses
# $number (text): the record's number
# $property (text): the property of the number
several-rows = { $count ->
    [one] { $count } row has
   *[other] { $count } rows have
} its { $key } ({ $rows }); write its number { $number } into "{ $property }" of the right one
# $row (text): the row's address
# $key (text): what it shares with the records
# $records (text): the records
# $property (text): the property of the number
several-records = row { $row } has the { $key } of { $records }; write the number of the right one into its "{ $property }"

# $record (text): the record
# $owner (text): the record that it is linked with
# $number (text): that record's number
# $property (text): the property of the number
stray-of-another = it has the number of { $record }, and is linked with { $owner }; write { $number } into its "{ $property }"
# $number (text): the number on it
# $record (text): the record of that number
stray-number = it has the number { $number }, and Bitrix24 has no { $record } that the connection may see; correct or clear the number
key-number = number
key-title = title
key-full-name = full name
key-email = email
key-phone = phone

## A record and a page that are no longer synced

record-gone = the record was deleted in Bitrix24, or merged into another
page-trashed = the page is in Notion's trash
page-gone = the page was permanently deleted in Notion, or is not shared with the connection any more
page-moved = the page was moved out of the database

## Notes on pages, and a comment on a record

# $day (text): the day, in digits
note-deleted = Deleted in Bitrix24 (seen { $day })
# $record (text): the record
# $page (text): the address of its page
note-double = A duplicate of { $record }, whose page is { $page }. This row is not synced; its text is unchanged.
# $record (text): the record
note-copy = A copy of the page of { $record }: it is not synced
# $record (text): the record
note-unknown = Bitrix24 has no { $record }, or the connection may not see it
# $database (text): the database's name in the settings
# $reason (text): why, as a sentence
comment-apart = { $database }: { $reason }.
