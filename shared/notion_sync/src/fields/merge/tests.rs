use proptest::prelude::*;

use super::*;

fn sides(cells: &[(&str, Cell)], second: i64) -> Sides {
    let fields = cells.iter().map(|(name, cell)| ((*name).to_owned(), cell.clone().into())).collect();
    Sides { fields, edited_at: Timestamp::from_second(second).ok() }
}

fn text(text: &str) -> Cell {
    Cell::text(text)
}

fn base_of(field: &str, cell: &Cell) -> Base {
    Base::from([(field.to_owned(), Agreed::new(cell, cell))])
}

fn policy(field: &str, master: Master) -> Policy {
    Policy::from([(field.to_owned(), master)])
}

#[test]
fn what_changed_on_one_side_is_carried_to_the_other() {
    let base = base_of("title", &text("Roof"));
    let merged =
        merge(&base, &sides(&[("title", text("Big roof"))], 10), &sides(&[("title", text("Roof"))], 5), &Policy::new());
    assert_eq!(merged.to_notion["title"], text("Big roof"));
    assert!(merged.to_bitrix24.is_empty() && merged.conflicts.is_empty());
}

#[test]
fn an_echo_merges_to_nothing() {
    let base = base_of("title", &text("Roof"));
    let same = sides(&[("title", text("Roof"))], 99);
    assert_eq!(merge(&base, &same, &same, &Policy::new()), Merged::default());
}

#[test]
fn a_conflict_is_decided_as_the_settings_say_and_written_down() {
    let base = base_of("sum", &text("1"));
    let (b, n) = (sides(&[("sum", text("2"))], 100), sides(&[("sum", text("3"))], 200));
    for (master, winner, why) in [
        (Master::Bitrix24, SyncSide::Bitrix24, Why::Master),
        (Master::Notion, SyncSide::Notion, Why::Master),
        (Master::LastWriteWins, SyncSide::Notion, Why::Later),
        (Master::Bitrix24Only, SyncSide::Bitrix24, Why::OneWay),
        (Master::NotionOnly, SyncSide::Notion, Why::OneWay),
    ] {
        let merged = merge(&base, &b, &n, &policy("sum", master));
        let conflict = &merged.conflicts[0];
        assert_eq!((conflict.winner, conflict.why), (winner, why), "{master:?}");
        assert_eq!(*conflict.lost(), if winner == SyncSide::Notion { text("2") } else { text("3") });
    }
    let tied = merge(&base, &b, &Sides { edited_at: b.edited_at, ..n.clone() }, &Policy::new());
    assert_eq!((tied.conflicts[0].winner, tied.conflicts[0].why), (SyncSide::Bitrix24, Why::SameMinute));
}

#[test]
fn a_field_that_goes_one_way_is_put_back_with_a_line_in_the_log() {
    let base = base_of("company", &text("ACME"));
    let (b, n) = (sides(&[("company", text("ACME"))], 1), sides(&[("company", text("Mine"))], 2));
    let merged = merge(&base, &b, &n, &policy("company", Master::Bitrix24Only));
    assert_eq!(merged.to_notion["company"], text("ACME"));
    assert_eq!(*merged.conflicts[0].lost(), text("Mine"));
}

#[test]
fn what_cannot_be_written_is_said_and_nothing_is_lost() {
    let base = base_of("stage", &Cell::Option("NEW".into()));
    let foreign = Reading::refused(Cell::Foreign("Weird".into()), Localized::data("no stage is called Weird"));
    let n =
        Sides { fields: BTreeMap::from([("stage".to_owned(), foreign)]), edited_at: Timestamp::from_second(9).ok() };
    let merged = merge(&base, &sides(&[("stage", Cell::Option("NEW".into()))], 1), &n, &Policy::new());
    assert!(merged.is_quiet() && merged.conflicts.is_empty() && merged.agreed.is_empty());
    assert_eq!((merged.stuck[0].of, merged.stuck[0].field.as_str()), (SyncSide::Notion, "stage"));
    // Once Bitrix24 changes too, the value that can be written counts.
    let merged = merge(&base, &sides(&[("stage", Cell::Option("WON".into()))], 1), &n, &Policy::new());
    assert_eq!(merged.to_notion["stage"], Cell::Option("WON".into()));
    assert_eq!(merged.conflicts[0].why, Why::OtherCannotBeWritten);
}

#[test]
fn tags_that_both_added_are_all_kept() {
    let tags = |tags: &[&str]| Cell::options(tags.iter().map(|tag| (*tag).to_owned()));
    let base = base_of("tags", &tags(&["a", "b"]));
    let merged = merge(
        &base,
        &sides(&[("tags", tags(&["a", "b", "c"]))], 1),
        &sides(&[("tags", tags(&["b", "d"]))], 2),
        &Policy::new(),
    );
    assert_eq!(merged.to_bitrix24["tags"], tags(&["b", "c", "d"]));
    assert_eq!(merged.to_notion["tags"], tags(&["b", "c", "d"]));
    assert!(merged.conflicts.is_empty());
}

#[test]
fn seen_together_for_the_first_time_the_fuller_side_fills_the_other() {
    let merged = merge(
        &Base::new(),
        &sides(&[("a", text("x")), ("b", Cell::Empty)], 1),
        &sides(&[("a", Cell::Empty), ("b", text("y"))], 2),
        &Policy::new(),
    );
    assert_eq!((&merged.to_notion["a"], &merged.to_bitrix24["b"]), (&text("x"), &text("y")));
}

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    Edit(SyncSide, usize, u8),
    /// A signal arrives and the two are merged; the process may die before the first write, between the two, or before
    /// the base is kept.
    Sync(Option<u8>),
    /// A signal arrives twice, or late: it says nothing new.
    Again,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let side = prop_oneof![Just(SyncSide::Bitrix24), Just(SyncSide::Notion)];
    let step = prop_oneof![
        4 => (side, 0usize..3, 0u8..5).prop_map(|(side, field, value)| Step::Edit(side, field, value)),
        2 => prop_oneof![3 => Just(None), 1 => (0u8..3).prop_map(Some)].prop_map(Step::Sync),
        1 => Just(Step::Again),
    ];
    prop::collection::vec(step, 0..40)
}

fn masters() -> impl Strategy<Value = Vec<Master>> {
    let master = prop_oneof![
        Just(Master::LastWriteWins),
        Just(Master::Bitrix24),
        Just(Master::Notion),
        Just(Master::Bitrix24Only),
        Just(Master::NotionOnly)
    ];
    prop::collection::vec(master, 3)
}

const FIELDS: [&str; 3] = ["a", "b", "tags"];

fn cell(field: usize, value: u8) -> Cell {
    if field == 2 {
        Cell::options((0..3).filter(|bit| value & (1 << bit) != 0).map(|bit| format!("t{bit}")))
    } else {
        Cell::text(&"x".repeat(usize::from(value)))
    }
}

/// Two sides, what a person wrote on them, and where each value ended.
#[derive(Default)]
struct World {
    cells: BTreeMap<(SyncSide, usize), Cell>,
    edited: BTreeMap<SyncSide, i64>,
    now: i64,
    base: Base,
    intents: Vec<Intent>,
    /// What a crashed worker was about to write: indistinguishable from a person's edit to the same value.
    fell_over: BTreeSet<(SyncSide, usize, Cell)>,
    logged: BTreeSet<(usize, Cell)>,
    writes: usize,
}

impl World {
    fn read(&self, side: SyncSide) -> Sides {
        let cells: Vec<_> = FIELDS
            .iter()
            .enumerate()
            .map(|(n, name)| (*name, self.cells.get(&(side, n)).cloned().unwrap_or_default()))
            .collect();
        sides(&cells, self.edited.get(&side).copied().unwrap_or_default())
    }

    fn sync(&mut self, policy: &Policy, dies: Option<u8>) {
        let (b, n) = (self.read(SyncSide::Bitrix24), self.read(SyncSide::Notion));
        recover(&mut self.base, &std::mem::take(&mut self.intents), &b, &n);
        let merged = merge(&self.base, &b, &n, policy);
        self.intents = merged.intents(&b, &n);
        for conflict in &merged.conflicts {
            let field = FIELDS.iter().position(|name| *name == conflict.field).unwrap();
            self.logged.insert((field, conflict.lost().clone()));
        }
        if dies.is_some() {
            let position = |field: &String| FIELDS.iter().position(|name| name == field).unwrap();
            self.fell_over.extend(self.intents.iter().map(|one| (one.to, position(&one.field), one.cell.clone())));
        }
        for (turn, (side, writes)) in
            [(SyncSide::Bitrix24, &merged.to_bitrix24), (SyncSide::Notion, &merged.to_notion)].into_iter().enumerate()
        {
            if dies == u8::try_from(turn).ok() {
                return;
            }
            for (name, cell) in writes {
                let field = FIELDS.iter().position(|field| field == name).unwrap();
                self.cells.insert((side, field), cell.clone());
                self.writes += 1;
                // Our own write makes the side younger, as a person's does.
                self.edited.insert(side, self.now);
            }
        }
        if dies == Some(2) {
            return;
        }
        self.intents.clear();
        self.base.extend(merged.agreed);
        for name in merged.to_bitrix24.keys().chain(merged.to_notion.keys()) {
            let field = FIELDS.iter().position(|field| field == name).unwrap();
            let now = |side| self.cells.get(&(side, field)).cloned().unwrap_or_default();
            self.base.insert(name.clone(), Agreed::new(&now(SyncSide::Bitrix24), &now(SyncSide::Notion)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever is edited on either side, however signals are lost, doubled or late, and wherever the process dies: one
    /// merge at the end makes both sides equal, the next one has nothing to do, and every last word of a person is on
    /// both sides or in the log.
    #[test]
    fn it_converges_an_echo_is_nothing_and_nothing_is_lost_unsaid(steps in steps(), masters in masters()) {
        let policy: Policy = FIELDS.iter().zip(&masters).map(|(name, master)| ((*name).to_owned(), *master)).collect();
        let mut world = World::default();
        let mut last: BTreeMap<(SyncSide, usize), (Cell, i64)> = BTreeMap::new();
        let (mut synced, mut edits) = (Vec::new(), Vec::new());
        for step in steps {
            world.now += 1;
            match step {
                Step::Edit(side, field, value) => {
                    let cell = cell(field, value);
                    let stands = world.cells.get(&(side, field)).cloned().unwrap_or_default();
                    // An existing value is not an edit; and an empty one, if nothing was ever agreed, is not a person's
                    // word.
                    if stands == cell {
                        continue;
                    }
                    edits.push((side, field, world.now));
                    let agreed = world.base.get(FIELDS[field]).map(|agreed| cell.is(agreed.of(side)));
                    // Nor is a word what takes an edit back before anybody saw it.
                    if agreed.map_or(!cell.is_empty(), |back| !back) {
                        last.insert((side, field), (cell.clone(), world.now));
                    } else {
                        last.remove(&(side, field));
                    }
                    world.cells.insert((side, field), cell);
                    world.edited.insert(side, world.now);
                }
                Step::Sync(dies) => {
                    synced.push(world.now);
                    world.sync(&policy, dies);
                }
                Step::Again => {
                    synced.push(world.now);
                    let before = world.writes;
                    world.sync(&policy, None);
                    let after = world.writes;
                    world.sync(&policy, None);
                    prop_assert_eq!(after, world.writes, "the second of two signals wrote again: {}", after - before);
                }
            }
        }
        world.sync(&policy, None);
        let writes = world.writes;
        world.sync(&policy, None);
        prop_assert_eq!(writes, world.writes);
        for field in 0..FIELDS.len() {
            let now = |side| world.cells.get(&(side, field)).cloned().unwrap_or_default();
            prop_assert_eq!(now(SyncSide::Bitrix24), now(SyncSide::Notion));
        }
        // The last word of each side is still there, or was overwritten by a person who had seen it, or the log has it.
        for ((side, field), (word, at)) in &last {
            let stands = world.cells.get(&(*side, *field)).cloned().unwrap_or_default() == *word;
            let seen_and_overwritten = edits.iter().any(|(other, edited, later)| {
                *other == side.other() && edited == field && synced.iter().any(|sync| at <= sync && sync < later)
            });
            let logged = world.logged.contains(&(*field, word.clone()));
            let ours = world.fell_over.contains(&(*side, *field, word.clone()));
            // Sets are united: see the test of tags.
            prop_assert!(
                stands || logged || ours || seen_and_overwritten || *field == 2,
                "{} wrote {:?} into {}, and it is gone", side, word, FIELDS[*field]
            );
        }
    }

    /// A text that a provider cuts short is not an edit: it does not come back and shorten the other side.
    #[test]
    fn what_a_provider_makes_of_a_value_does_not_travel_back(value in "[a-z]{4,12}") {
        let (long, short) = (text(&value), text(&value[..3]));
        let base = Base::from([("title".to_owned(), Agreed::new(&short, &long))]);
        let merged = merge(&base, &sides(&[("title", short)], 1), &sides(&[("title", long)], 2), &Policy::new());
        prop_assert!(merged.is_quiet() && merged.conflicts.is_empty());
    }
}

#[test]
fn what_the_page_cannot_show_yet_is_not_agreed_and_not_lost() {
    let records = |ids: &[u64]| Cell::records(ids.iter().copied());
    let reading = |cell: Cell, cannot: Option<&str>, carried: Option<Cell>| Reading {
        cell,
        cannot: cannot.map(Localized::data),
        carried,
    };
    let side = |reading: Reading| Sides { fields: BTreeMap::from([("deal".to_owned(), reading)]), edited_at: None };
    // A deal whose page is still to be made: listed, and not agreed, so that it is looked at again.
    let b = side(reading(records(&[8]), Some("number 8 has no page yet"), None));
    let n = side(reading(Cell::Empty, None, Some(records(&[8]))));
    let merged = merge(&base_of("deal", &Cell::Empty), &b, &n, &Policy::new());
    assert_eq!((merged.stuck.len(), merged.agreed.len(), merged.is_quiet()), (1, 0, true));
    // Agreed while the page could not show 77, which it could by now: an edit there does not take 77 away.
    let base = Base::from([("deal".to_owned(), Agreed::new(&records(&[42, 77]), &records(&[42])))]);
    let b = side(reading(records(&[42, 77]), None, None));
    let n = side(reading(records(&[42, 90]), None, None));
    let merged = merge(&base, &b, &n, &Policy::new());
    assert_eq!(merged.to_bitrix24["deal"], records(&[42, 77, 90]));
    // What the portal took away in between stays away.
    let merged = merge(&base, &side(reading(records(&[42]), None, None)), &n, &policy("deal", Master::Notion));
    assert_eq!(merged.to_bitrix24["deal"], records(&[42, 90]));
}
