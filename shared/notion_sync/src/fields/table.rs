//! The table of types: every type of field on the portal, with one value or several, and every type of property in
//! Notion. How values are read and written, which property is made, and the table in `docs/notion.md` come from here.

use std::fmt::Write;

use locale::{Language, texts};

use super::portal_field::{Codec, PortalField, PortalKind};

/// How a field and a property go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Values go both ways, by a codec.
    TwoWay(Codec),
    /// The property shows what the field holds; an edit there is put back.
    Shown,
    /// They do not go together, and why.
    Refused(Reason),
}

/// Why a field and a property do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The property holds one value, and the field several.
    HoldsOne,
    /// The property holds values of another type.
    OtherType,
    /// Notion itself fills the property.
    FilledByNotion,
    /// The property's type is not known.
    UnknownProperty,
}

impl Reason {
    /// In words, to follow "because".
    pub fn words(self, language: Language) -> &'static str {
        language.text(match self {
            Self::HoldsOne => texts::sync::HOLDS_ONE,
            Self::OtherType => texts::sync::OTHER_TYPE,
            Self::FilledByNotion => texts::sync::READ_ONLY_PROPERTY,
            Self::UnknownProperty => texts::sync::UNKNOWN_TYPE,
        })
    }
}

/// The types of fields, as `crm.item.fields` names them. Any other type is [`PortalKind::Other`].
pub const FIELD_TYPES: &[&str] = &[
    "string",
    "email",
    "phone",
    "text",
    "integer",
    "double",
    "money",
    "boolean",
    "char",
    "date",
    "datetime",
    "enumeration",
    "list",
    "crm_status",
    "crm_currency",
    "user",
    "employee",
    "crm_company",
    "crm_contact",
    "crm_deal",
    "crm_lead",
    "crm",
    "file",
    "disk_file",
    "url",
    "address",
    "iblock_element",
    "iblock_section",
    "hlblock",
];

/// The types of properties, as Notion names them.
pub const PROPERTY_TYPES: &[&str] = &[
    "title",
    "rich_text",
    "number",
    "checkbox",
    "date",
    "select",
    "status",
    "multi_select",
    "people",
    "relation",
    "files",
    "url",
    "email",
    "phone_number",
    "formula",
    "rollup",
    "unique_id",
    "created_time",
    "created_by",
    "last_edited_time",
    "last_edited_by",
    "button",
    "verification",
    "place",
];

/// Properties that Notion fills, or that hold nothing that can be written.
const FILLED_BY_NOTION: &[&str] = &[
    "formula",
    "rollup",
    "unique_id",
    "created_time",
    "created_by",
    "last_edited_time",
    "last_edited_by",
    "button",
    "verification",
    "place",
];

const TEXT: &[&str] = &["title", "rich_text"];
const ADDRESSES: &[&str] = &["url", "email", "phone_number"];

/// The pairs of one kind of field, with one value or with several.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// The properties that it goes into, the usual one first.
    pairs: &'static [(&'static str, Entry)],
    /// What the documentation adds.
    note: &'static str,
}

const fn both(codec: Codec) -> Entry {
    Entry::TwoWay(codec)
}

/// The kinds of fields in the order of the documentation: name, one value, several values.
const ROWS: &[(Shape, &str, Row, Option<Row>)] = &[
    (
        Shape::Line,
        "text (`string`, `email`, `phone`)",
        Row {
            pairs: &[
                ("rich_text", both(Codec::Line)),
                ("title", both(Codec::Line)),
                ("url", both(Codec::Line)),
                ("email", both(Codec::Line)),
                ("phone_number", both(Codec::Line)),
            ],
            note: "line breaks show as spaces and stay on the portal; only the words that were edited change",
        },
        Some(LINES),
    ),
    (
        Shape::FullName,
        "a person's whole name (`fullName`)",
        Row {
            pairs: &[("rich_text", both(Codec::Line)), ("title", both(Codec::Line))],
            note: "first, second and last name; an edit is written if exactly one of them is different, and refused otherwise",
        },
        None,
    ),
    (
        Shape::Rich,
        "text with formatting (`text`, a task's `description`)",
        Row {
            pairs: &[("rich_text", both(Codec::BbCode)), ("title", both(Codec::BbCode))],
            note: "an edit changes the formatted text only where it was edited, and is refused where that cannot be done without loss",
        },
        Some(Row { pairs: &[("rich_text", Entry::Shown), ("title", Entry::Shown)], note: "one paragraph a value" }),
    ),
    (
        Shape::Number,
        "number (`integer`, `double`, sums)",
        Row {
            pairs: &[("number", both(Codec::Number)), ("rich_text", both(Codec::Lines)), ("title", both(Codec::Lines))],
            note: "exact; a number with more decimal places than the field holds (none for whole numbers, two for sums) is refused; a number with more digits than Notion's numbers hold is not carried over",
        },
        Some(LINES),
    ),
    (
        Shape::Money,
        "`money`",
        Row {
            pairs: &[("number", both(Codec::Amount)), ("rich_text", both(Codec::Lines)), ("title", both(Codec::Lines))],
            note: "in a number the currency stays as it is on the portal; as text it is part of the value: `10 EUR`",
        },
        Some(Row {
            pairs: LINES.pairs,
            note: "one sum a line with its currency: `10 EUR`; a line without one keeps the currency that it had",
        }),
    ),
    (
        Shape::Flag,
        "yes/no (`boolean`, `char`)",
        Row {
            pairs: &[
                ("checkbox", both(Codec::Checkbox)),
                ("rich_text", both(Codec::Lines)),
                ("title", both(Codec::Lines)),
            ],
            note: "as text: `yes` or `no`",
        },
        Some(LINES),
    ),
    (
        Shape::Day,
        "`date`",
        Row {
            pairs: &[("date", both(Codec::Day)), ("rich_text", both(Codec::Lines)), ("title", both(Codec::Lines))],
            note: "a time that somebody adds in Notion is the day that it is in the settings' time zone; the end of a range moves only if the start passes it",
        },
        Some(LINES),
    ),
    (
        Shape::Moment,
        "date with time (`datetime`)",
        Row {
            pairs: &[("date", both(Codec::Moment)), ("rich_text", both(Codec::Lines)), ("title", both(Codec::Lines))],
            note: "to the minute; the portal keeps the seconds of what was not edited. A day alone means the end of that day. As text: `2026-12-01 15:30` in the settings' time zone",
        },
        Some(LINES),
    ),
    (
        Shape::Choice,
        "stage, status, list (`enumeration`, `crm_status`, `crm_currency`)",
        Row {
            pairs: &[
                ("select", both(Codec::Option)),
                ("status", both(Codec::Option)),
                ("rich_text", Entry::Shown),
                ("title", Entry::Shown),
            ],
            note: "by name, whatever its case; an option that is renamed in Notion is known by its id. `values` gives other names; an option is only made with `create_options`",
        },
        Some(Row {
            pairs: &[("multi_select", both(Codec::Options)), ("rich_text", Entry::Shown), ("title", Entry::Shown)],
            note: "what both sides add is all kept, in the portal's order",
        }),
    ),
    (
        Shape::User,
        "person (`user`, `employee`)",
        Row {
            pairs: &[("people", both(Codec::People)), ("rich_text", Entry::Shown), ("title", Entry::Shown)],
            note: "by e-mail or `notion.people`; who has no account is named in the `unmapped` text property",
        },
        Some(Row {
            pairs: &[("people", both(Codec::People)), ("rich_text", Entry::Shown), ("title", Entry::Shown)],
            note: "people without an account in Notion stay on the portal when others are added or removed",
        }),
    ),
    (
        Shape::Item,
        "company, contact, deal, lead; what a task belongs to",
        Row {
            pairs: &[("relation", both(Codec::Relation)), ("rich_text", Entry::Shown), ("title", Entry::Shown)],
            note: "if there is a database of that kind in the settings; else shown as text",
        },
        Some(Row {
            pairs: &[("relation", both(Codec::Relation)), ("rich_text", Entry::Shown), ("title", Entry::Shown)],
            note: "records without a page stay on the portal when others are added or removed",
        }),
    ),
    (Shape::Links, "link to records of several kinds (`crm`)", SHOWN_AS_TEXT, Some(SHOWN_AS_TEXT)),
    (
        Shape::Itself,
        "the record itself (`self`)",
        Row { pairs: &[("relation", Entry::Shown)], note: "leads from a second database to the first" },
        None,
    ),
    (
        Shape::File,
        "file (`file`, `disk_file`)",
        Row {
            pairs: &[
                ("files", Entry::Shown),
                ("url", Entry::Shown),
                ("rich_text", Entry::Shown),
                ("title", Entry::Shown),
            ],
            note: "as links, or as names",
        },
        Some(Row {
            pairs: &[("files", Entry::Shown), ("rich_text", Entry::Shown), ("title", Entry::Shown)],
            note: "as links, or as names",
        }),
    ),
    (
        Shape::Url,
        "`url`",
        Row {
            pairs: &[("url", both(Codec::Line)), ("rich_text", both(Codec::Line)), ("title", both(Codec::Line))],
            note: "",
        },
        Some(LINES),
    ),
    (
        Shape::Address,
        "`address`",
        Row {
            pairs: &[("rich_text", both(Codec::Line)), ("title", both(Codec::Line))],
            note: "without its place on the map; an edit of an address that has a place is refused, because the place would be lost",
        },
        Some(LINES),
    ),
    (
        Shape::Other,
        "anything else (`iblock_element`, `iblock_section`, `hlblock`, types that are not known)",
        SHOWN_AS_TEXT,
        Some(SHOWN_AS_TEXT),
    ),
];

const LINES: Row = Row {
    pairs: &[("rich_text", both(Codec::Lines)), ("title", both(Codec::Lines))],
    note: "one value a line, in the portal's order; a line that is not such a value is refused with its number, and then nothing is written",
};

const SHOWN_AS_TEXT: Row =
    Row { pairs: &[("rich_text", Entry::Shown), ("title", Entry::Shown)], note: "as text, one value a line" };

/// A kind of field, without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Line,
    FullName,
    Rich,
    Number,
    Money,
    Flag,
    Day,
    Moment,
    Choice,
    User,
    Item,
    Links,
    Itself,
    File,
    Url,
    Address,
    Other,
}

fn shape(kind: &PortalKind) -> Shape {
    match kind {
        PortalKind::Line => Shape::Line,
        PortalKind::FullName => Shape::FullName,
        PortalKind::Rich => Shape::Rich,
        PortalKind::Number(_) => Shape::Number,
        PortalKind::Money => Shape::Money,
        PortalKind::Flag => Shape::Flag,
        PortalKind::Day => Shape::Day,
        PortalKind::Moment => Shape::Moment,
        PortalKind::Choice => Shape::Choice,
        PortalKind::User => Shape::User,
        PortalKind::Item(_) | PortalKind::Binding(_) => Shape::Item,
        PortalKind::Links => Shape::Links,
        PortalKind::Itself => Shape::Itself,
        PortalKind::File => Shape::File,
        PortalKind::Url => Shape::Url,
        PortalKind::Address => Shape::Address,
        PortalKind::Other => Shape::Other,
    }
}

/// The row of a field.
fn row(field: &PortalField) -> &'static Row {
    let shape = shape(&field.kind);
    let (_, _, one, several) = ROWS.iter().find(|(of, ..)| *of == shape).unwrap_or(&ROWS[ROWS.len() - 1]);
    if field.multiple { several.as_ref().unwrap_or(one) } else { one }
}

/// How a field and a property of a type go together.
pub fn entry(field: &PortalField, property: &str) -> Entry {
    let pairs = row(field).pairs;
    if let Some((_, entry)) = pairs.iter().find(|(of, _)| *of == property) {
        return *entry;
    }
    Entry::Refused(reason(field, property))
}

fn reason(field: &PortalField, property: &str) -> Reason {
    if FILLED_BY_NOTION.contains(&property) {
        return Reason::FilledByNotion;
    }
    if !PROPERTY_TYPES.contains(&property) {
        return Reason::UnknownProperty;
    }
    let one = PortalField { multiple: false, ..field.clone() };
    let fits_one = field.multiple && row(&one).pairs.iter().any(|(of, _)| *of == property);
    if fits_one { Reason::HoldsOne } else { Reason::OtherType }
}

/// The type of the property that is made for a field.
pub fn usual(field: &PortalField) -> &'static str {
    row(field).pairs[0].0
}

/// The table of `docs/notion.md`.
pub fn markdown() -> String {
    let mut text = String::from("| the portal's field | values | both ways | shown only | |\n|---|---|---|---|---|\n");
    for (_, name, one, several) in ROWS {
        for (count, row) in [("one", Some(one)), ("several", several.as_ref())] {
            let Some(row) = row else { continue };
            let (both, shown, note) = (named(row, true), named(row, false), row.note);
            let _ = writeln!(text, "| {name} | {count} | {both} | {shown} | {note} |");
        }
    }
    text
}

/// The properties of a row that go both ways, or the others.
fn named(row: &Row, two_way: bool) -> String {
    let ordered = TEXT.iter().rev().chain(ADDRESSES).chain(PROPERTY_TYPES);
    let mut names: Vec<&str> = Vec::new();
    for property in ordered {
        let entry = row.pairs.iter().find(|(of, _)| of == property).map(|(_, entry)| *entry);
        let fits = entry.is_some_and(|entry| matches!(entry, Entry::TwoWay(_)) == two_way);
        if fits && !names.contains(property) {
            names.push(property);
        }
    }
    names.join(", ")
}

#[cfg(test)]
mod tests;
