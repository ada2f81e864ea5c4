//! Finds a person's counterpart: by the settings, by hand, by the person's own word, else by the same e-mail.

use std::time::Duration;

use clients::Failure;
use runtime::clock::later;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use serde_json::json;
use slack::event::SlackUser;
use tenants::audit::{Audit, AuditEntry};
use tenants::user_links::{EndReason, LinkOrigin, Unmapped, UserLink};

use crate::profiles::PortalProfile;
use crate::{OpenTenant, TenantContext};

/// How long it is remembered that a person of the portal is not in Slack.
const ABSENT: Duration = Duration::from_secs(15 * 60);

fn absent_key(tenant: &OpenTenant, user: u64) -> ItemKey {
    ItemKey::new(Table::Links, format!("{}#person", tenant.id), format!("absent#{user}"))
}

/// Which user of the portal a person in Slack acts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acting {
    As(UserLink),
    /// The user that they were linked to is no longer active on the portal.
    Dismissed,
    /// They are not linked. With the e-mail that was looked up, if there was one.
    Nobody {
        /// The e-mail.
        email: Option<String>,
    },
}

impl TenantContext {
    /// Which user a person in Slack acts as. A link counts only while both accounts are active: what ended it is noted.
    pub async fn acting(&self, tenant: &OpenTenant, slack: &str) -> Result<Acting, Failure> {
        let now = self.backend.clock.now();
        let by_settings = tenant.settings.people.map.iter().find(|(_, id)| id.as_str() == slack);
        if let Some(user) = by_settings.and_then(|(user, _)| user.parse().ok()) {
            return self.by_settings(tenant, slack, user).await;
        }
        if let Some(link) = self.people.of_slack(&tenant.id, slack).await? {
            match self.ends(tenant, &link).await? {
                None => return Ok(Acting::As(link)),
                Some(reason) => self.end_link(tenant, &link, reason).await?,
            }
        }
        let profile = self.slack_profile(tenant, slack).await?;
        let email = profile.as_ref().and_then(|profile| profile.email.clone());
        let unknown = tenant.settings.people.not_by_email || self.people.is_unmapped(&tenant.id, slack, now).await?;
        let acting = if unknown { Acting::Nobody { email } } else { self.by_email(tenant, slack, profile).await? };
        match acting {
            Acting::Nobody { .. } if self.was_dismissed(tenant, slack).await? => Ok(Acting::Dismissed),
            acting => Ok(acting),
        }
    }

    async fn by_settings(&self, tenant: &OpenTenant, slack: &str, user: u64) -> Result<Acting, Failure> {
        let link = UserLink {
            slack: slack.to_owned(),
            user,
            origin: LinkOrigin::Settings,
            name: String::new(),
            at: self.backend.clock.now(),
        };
        match self.portal_profile(tenant, user).await?.filter(|profile| !profile.is_dismissed) {
            None => Ok(Acting::Dismissed),
            Some(_) if self.is_deactivated(tenant, slack).await? => Ok(Acting::Nobody { email: None }),
            Some(profile) => Ok(Acting::As(UserLink { name: profile.name, ..link })),
        }
    }

    /// Why a link is no longer valid, if it is not. Profiles are cached for an hour.
    async fn ends(&self, tenant: &OpenTenant, link: &UserLink) -> Result<Option<EndReason>, Failure> {
        let Some(person) = self.portal_profile(tenant, link.user).await?.filter(|profile| !profile.is_dismissed) else {
            return Ok(Some(EndReason::Dismissed));
        };
        let profile = self.slack_profile(tenant, &link.slack).await?;
        Ok(end_of(link.origin, profile.as_ref(), &person, |user| tenant.slack.is_member(user)))
    }

    /// Ends a link automatically: it is removed and listed, with an entry in the audit. The upkeep drops the person's
    /// permission; until then nothing uses it.
    pub(crate) async fn end_link(
        &self,
        tenant: &OpenTenant,
        link: &UserLink,
        reason: EndReason,
    ) -> Result<(), Failure> {
        let now = self.backend.clock.now();
        self.people.end(&tenant.id, link, reason, now).await?;
        let whose = format!("{} and {} ({})", link.slack, link.name, link.user);
        let entry = AuditEntry::new(now, "Switchboard", "link ended", whose).changed("linked", reason_words(reason));
        Audit::new(self.backend.store.clone()).note(&tenant.id, &entry).await?;
        tracing::info!(tenant = %tenant.id, slack = link.slack, user = link.user, ?reason, "a link ended by itself");
        Ok(())
    }

    /// Whether the last link of an account ended because the user was dismissed, and they still are.
    async fn was_dismissed(&self, tenant: &OpenTenant, slack: &str) -> Result<bool, Failure> {
        let ended = self.people.ended_of(&tenant.id, slack).await?;
        let Some(last) = ended.first().filter(|ended| ended.reason == EndReason::Dismissed) else { return Ok(false) };
        Ok(self.portal_profile(tenant, last.link.user).await?.is_none_or(|profile| profile.is_dismissed))
    }

    async fn is_deactivated(&self, tenant: &OpenTenant, slack: &str) -> Result<bool, Failure> {
        Ok(self.slack_profile(tenant, slack).await?.is_some_and(|profile| profile.deleted))
    }

    async fn by_email(&self, tenant: &OpenTenant, slack: &str, profile: Option<SlackUser>) -> Result<Acting, Failure> {
        let now = self.backend.clock.now();
        let email = profile.as_ref().and_then(|profile| profile.email.clone());
        let is_member = profile.as_ref().is_some_and(|profile| tenant.slack.is_member(profile));
        if let Some(email) = email.as_deref().filter(|_| is_member)
            && let Some(found) = self.portal_user_by_email(tenant, email).await?
            && !found.is_outsider
        {
            let link = UserLink {
                slack: slack.to_owned(),
                user: found.user,
                origin: LinkOrigin::Email,
                name: found.name,
                at: now,
            };
            self.people.link(&tenant.id, &link).await?;
            return Ok(Acting::As(link));
        }
        let name = profile.map(|profile| profile.name).unwrap_or_default();
        let unmapped = Unmapped { slack: slack.to_owned(), name, email: email.clone(), at: now };
        self.people.note_unmapped(&tenant.id, &unmapped).await?;
        Ok(Acting::Nobody { email })
    }

    /// The active person of the portal with this e-mail.
    pub async fn portal_user_by_email(
        &self,
        tenant: &OpenTenant,
        email: &str,
    ) -> Result<Option<PortalProfile>, Failure> {
        let found = self.portal_users(tenant, &json!({"EMAIL": email, "ACTIVE": true})).await?;
        // The portal ignores a filter that it does not know, so the result is checked.
        let same = |profile: &PortalProfile| {
            let is_theirs = profile.email.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(email));
            is_theirs && !profile.is_dismissed
        };
        Ok(found.into_iter().find(same))
    }

    /// The Slack account of a user of the portal; none if the user was dismissed or the account is deactivated.
    pub async fn slack_of(&self, tenant: &OpenTenant, user: u64) -> Result<Option<String>, Failure> {
        if let Some(id) = tenant.settings.people.map.get(&user.to_string()) {
            let acting = self.by_settings(tenant, id, user).await?;
            return Ok(matches!(acting, Acting::As(_)).then(|| id.clone()));
        }
        for link in self.people.of_user(&tenant.id, user).await? {
            match self.ends(tenant, &link).await? {
                None => return Ok(Some(link.slack)),
                Some(reason) => self.end_link(tenant, &link, reason).await?,
            }
        }
        if tenant.settings.people.not_by_email || self.is_not_in_slack(tenant, user).await? {
            return Ok(None);
        }
        let Some(profile) = self.portal_profile(tenant, user).await? else { return Ok(None) };
        let is_employee = !profile.is_dismissed && !profile.is_outsider;
        let found = match profile.email.as_deref().filter(|_| is_employee) {
            Some(email) => tenant.slack.member_by_email(email).await?.map(|member| member.id),
            None => None,
        };
        let now = self.backend.clock.now();
        match &found {
            Some(slack) => {
                let link =
                    UserLink { slack: slack.clone(), user, origin: LinkOrigin::Email, name: profile.name, at: now };
                self.people.link(&tenant.id, &link).await?;
            }
            None => {
                let write = StoreWrite::new(absent_key(tenant, user), &now, WriteCondition::Always)?;
                self.backend.store.put(write.expiring(later(now, ABSENT))).await?;
            }
        }
        Ok(found)
    }

    async fn is_not_in_slack(&self, tenant: &OpenTenant, user: u64) -> Result<bool, Failure> {
        Ok(self.backend.store.get(&absent_key(tenant, user)).await?.is_some())
    }
}

/// Why a link between a Slack account and an active user of the portal is no longer valid, if it is not. A link that an
/// administrator or the person made may be a guest's.
pub fn end_of(
    origin: LinkOrigin,
    in_slack: Option<&SlackUser>,
    on_portal: &PortalProfile,
    is_member: impl Fn(&SlackUser) -> bool,
) -> Option<EndReason> {
    if on_portal.is_dismissed {
        return Some(EndReason::Dismissed);
    }
    if in_slack.is_some_and(|user| user.deleted) {
        return Some(EndReason::Deactivated);
    }
    if origin != LinkOrigin::Email {
        return None;
    }
    if !in_slack.is_some_and(is_member) {
        return Some(EndReason::NotMember);
    }
    on_portal.is_outsider.then_some(EndReason::NotEmployee)
}

/// Why a link ended, in words.
pub fn reason_words(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Dismissed => "dismissed in Bitrix24",
        EndReason::Deactivated => "deactivated in Slack",
        EndReason::NotMember => "a guest or outsider in Slack, found by e-mail only",
        EndReason::NotEmployee => "not an employee in Bitrix24, found by e-mail only",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_ends_with_either_account_and_one_by_mail_with_less() {
        let person = PortalProfile { user: 6, ..PortalProfile::default() };
        let gone = PortalProfile { is_dismissed: true, ..person.clone() };
        let extranet = PortalProfile { is_outsider: true, ..person.clone() };
        let member = SlackUser { id: "U1".into(), ..SlackUser::default() };
        let guest = SlackUser { is_guest: true, ..member.clone() };
        let left = SlackUser { deleted: true, ..member.clone() };
        let end = |origin, slack: &SlackUser, portal: &PortalProfile| {
            end_of(origin, Some(slack), portal, |user| user.is_member_of("T1"))
        };
        for origin in [LinkOrigin::Email, LinkOrigin::Hand, LinkOrigin::Own, LinkOrigin::Settings] {
            assert_eq!(end(origin, &member, &person), None);
            assert_eq!(end(origin, &member, &gone), Some(EndReason::Dismissed));
            assert_eq!(end(origin, &left, &person), Some(EndReason::Deactivated));
        }
        for (slack, portal, reason) in
            [(&guest, &person, EndReason::NotMember), (&member, &extranet, EndReason::NotEmployee)]
        {
            assert_eq!(end(LinkOrigin::Email, slack, portal), Some(reason));
            assert_eq!(end(LinkOrigin::Hand, slack, portal), None);
        }
        assert_eq!(end_of(LinkOrigin::Email, None, &person, |_| true), Some(EndReason::NotMember));
        assert_eq!(end_of(LinkOrigin::Own, None, &person, |_| true), None);
    }
}
