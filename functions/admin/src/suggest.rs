//! Which Bitrix24 user a person in Slack might be, by similar names. A suggestion only: it links nobody.

/// The people who might be `name`, the likeliest first: they share a word of the name, or have the same name without
/// accents and case.
pub(crate) fn suggest<'a, T>(
    name: &str,
    email: Option<&str>,
    people: &'a [T],
    name_of: impl Fn(&T) -> &str,
) -> Vec<&'a T> {
    let mut words = words(name);
    if let Some((local, _)) = email.and_then(|email| email.split_once('@')) {
        words.extend(self::words(&local.replace(['.', '_', '-'], " ")));
    }
    let mut found: Vec<(usize, &T)> = people
        .iter()
        .map(|person| (self::words(name_of(person)).iter().filter(|word| words.contains(word)).count(), person))
        .filter(|(shared, _)| *shared > 0)
        .collect();
    found.sort_by_key(|(shared, _)| std::cmp::Reverse(*shared));
    found.into_iter().take(3).map(|(_, person)| person).collect()
}

fn words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 1).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn who_shares_more_words_is_likelier() {
        let people = ["Ann Smith", "Bob Lee", "Ann Lee", "Old O."];
        assert_eq!(suggest("ann lee", None, &people, |name| name), [&"Ann Lee", &"Ann Smith", &"Bob Lee"]);
        assert_eq!(suggest("x", Some("bob.lee@corp.example"), &people, |name| name), [&"Bob Lee", &"Ann Lee"]);
        assert!(suggest("nobody", None, &people, |name| name).is_empty());
    }
}
