//! Whether messages that were missed in bridged chats can be found.

use chat_bridge::sweep::{ReadableChats, readable_chats};
use locale::{Localized, texts};
use tenants::portals::Portal;
use user_mapping::TenantContext;

use super::{Check, Doctor, MAX_NAMED, ReportCheck, failed};

impl Doctor<'_> {
    /// Tries to read each bridged chat; a tenant without bridges has nothing to check.
    pub(super) async fn bridges(&self, portal: &Portal, report: ReportCheck<'_>) {
        let context = TenantContext::new(self.backend, self.connections.clone());
        let read = async {
            let tenant = context.tenant(&portal.tenant).await?;
            readable_chats(&context, &tenant).await
        };
        match read.await {
            Ok(read) if read.asked == 0 => {}
            Ok(read) => report(check(&read)),
            Err(failure) => report(failed(texts::operations::CHECK_BRIDGES, &failure)),
        }
    }
}

fn check(read: &ReadableChats) -> Check {
    let what = texts::operations::CHECK_BRIDGES;
    if read.unreadable.is_empty() {
        let count = read.asked as u64;
        return Check::fine(what, Localized::of(|_| texts::operations::ChatsReadable { count }));
    }
    let chats = read.unreadable.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let seen = Localized::of(|_| texts::operations::ChatsUnreadable { chats: chats.as_str() });
    Check::notice(what, seen, texts::operations::ADD_TO_CHATS)
}

#[cfg(test)]
mod tests {
    use super::super::CheckVerdict;
    use super::*;

    #[test]
    fn chats_that_cannot_be_read_are_named_with_what_to_do() {
        let fine = check(&ReadableChats { asked: 2, unreadable: Vec::new() });
        assert_eq!((fine.verdict, fine.fix.is_empty()), (CheckVerdict::Fine, true));
        let notice = check(&ReadableChats { asked: 2, unreadable: vec!["Support".into()] });
        assert_eq!(notice.verdict, CheckVerdict::Notice);
        assert!(notice.seen.to_string().contains("Support"), "{}", notice.seen);
    }
}
