//! What people in Slack may see and do in Bitrix24: what they may there, and no more.

use std::sync::Arc;
use std::time::Duration;

use journeys::Stage;
use journeys::estate::{Browser, Estate};
use runtime::TenantId;
use serde_json::{Value, json};
use simulators::estate::BITRIX24_APP;
use simulators::portal::{DEAL, LEAD, PortalSimulator};
use simulators::slack::SlackSimulator;
use tenants::audit::Audit;
use tenants::user_links::{EndReason, LinkOrigin, UserLink, UserLinks};

use crate::cast::Cast;

/// All words of a message.
fn words(message: &Value) -> String {
    message.to_string()
}

/// The address that the one button of a message opens.
fn button(message: &Value) -> Option<String> {
    let blocks = message["blocks"].as_array()?.iter();
    let elements = blocks.filter_map(|block| block["elements"].as_array()).flatten();
    let buttons: Vec<&str> = elements.filter_map(|element| element["url"].as_str()).collect();
    (buttons.len() == 1).then(|| buttons[0].to_owned())
}

/// A company whose portal is connected by an application; Ann, user 6, has given no permission.
struct Office {
    estate: Estate,
    ann: String,
    channel: String,
}

impl Office {
    async fn open() -> Self {
        let estate = Estate::start_on(Stage::Sockets, 1).await;
        estate.install(0).await;
        let slack = &estate.sandbox.workspaces[0];
        let (ann, channel) = (slack.person("user6@example.com"), slack.channel_id("general"));
        Self { ann, channel, estate }
    }

    fn portal(&self) -> &Arc<PortalSimulator> {
        &self.estate.sandbox.portals[0]
    }

    fn slack(&self) -> &Arc<SlackSimulator> {
        &self.estate.sandbox.workspaces[0]
    }

    fn tenant(&self) -> TenantId {
        self.estate.tenant(0)
    }

    /// A deal of a colleague's that Ann has nothing to do with.
    async fn secret_deal(&self) -> u64 {
        let deal = json!({"title": "Secret roof", "opportunity": 150_000, "currencyId": "EUR", "assignedById": 9, "createdBy": 9});
        let id = self.portal().add_item(DEAL, deal);
        self.estate.settle().await;
        id
    }

    /// Ann allows us to work with her own rights.
    async fn permit(&self) {
        let tokens = self.estate.sandbox.authority.tokens(self.portal(), BITRIX24_APP.0, 6);
        let token = tokens["access_token"].as_str().unwrap().to_owned().into();
        self.estate.connections.grant(&self.tenant(), 6, &token).await.unwrap();
    }

    fn last(&self) -> Value {
        self.slack().whispers(&self.ann).pop().unwrap_or_default()
    }

    async fn types(&self, command: &str, text: &str) -> Value {
        self.slack().command(&self.ann, &self.channel, command, text).await;
        self.estate.settle().await;
        self.last()
    }

    async fn presses(&self, action: &str, value: &str) -> Value {
        self.slack().press(&self.ann, &self.channel, action, value).await;
        self.estate.settle().await;
        self.last()
    }

    async fn pastes(&self, deal: u64) -> Value {
        let link = format!("http://{}/crm/deal/details/{deal}/", self.portal().host());
        let ts = self.slack().paste(&self.ann, &self.channel, &[&link]);
        self.estate.settle().await;
        self.slack().unfurled(&self.channel, &ts)
    }

    async fn home(&self) -> Value {
        self.slack().open_home(&self.ann);
        self.estate.settle().await;
        self.slack().home(&self.ann).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_permission_nothing_is_shown_or_changed_and_one_button_asks_for_it() {
    let office = Office::open().await;
    let deal = office.secret_deal().await;
    let before = office.portal().item(DEAL, deal).unwrap();
    let (leads, tasks) = (office.portal().ids(LEAD).len(), office.portal().task_ids().len());
    let asks = |told: &Value, what: &str| {
        let link = button(told).unwrap_or_else(|| unreachable!("{what}: {told}"));
        assert!(link.starts_with(&format!("{}/install/give?ticket=", office.estate.url)), "{what}: {link}");
        assert!(!words(told).contains("Secret roof") && !words(told).contains("150,000"), "{what}: {told}");
    };
    let id = deal.to_string();
    for (command, text) in [
        ("/b24-deal", id.as_str()),
        ("/b24-deal", "roof"),
        ("/b24-status", ""),
        ("/b24-lead", "ACME | hello"),
        ("/b24-task", "Call"),
    ] {
        let told = office.types(command, text).await;
        asks(&told, command);
        // What was typed is not lost.
        assert!(words(&told).contains(format!("{command} {text}").trim()), "{told}");
    }
    // Nor is a form opened that could not be sent.
    office.types("/b24-lead", "").await;
    assert!(office.slack().dialog(&office.ann).is_none());
    for (action, value) in [
        ("deal_show", id.clone()),
        ("deal_take", id.clone()),
        ("deal_comment", id.clone()),
        ("deal_stage", format!("{id} PREPARATION")),
    ] {
        asks(&office.presses(action, &value).await, action);
    }
    assert!(office.slack().dialog(&office.ann).is_none());
    assert_eq!(office.portal().item(DEAL, deal).unwrap(), before);
    assert_eq!((office.portal().ids(LEAD).len(), office.portal().task_ids().len()), (leads, tasks));
    assert!(office.portal().timeline("deal", deal).is_empty());
    // What is said for everybody in the channel is not said there.
    let read = office.estate.channel(0, "general").len();
    asks(&office.types("/b24-deal", &format!("{id} --public")).await, "public");
    assert_eq!(office.estate.channel(0, "general").len(), read);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_permission_links_and_the_home_show_nothing() {
    let office = Office::open().await;
    let deal = office.secret_deal().await;
    let heard = office.slack().whispers(&office.ann).len();
    for _ in 0..3 {
        assert!(office.pastes(deal).await.is_null());
    }
    let hints = office.slack().whispers(&office.ann).split_off(heard);
    assert_eq!(hints.len(), 1, "once a day: {hints:?}");
    assert!(words(&hints[0]).contains("person_allow") && !words(&hints[0]).contains("Secret"), "{hints:?}");
    let home = office.home().await.to_string();
    assert!(home.contains("person_allow") && !home.contains("My deals"), "{home}");
    // The button asks for a link that is good now.
    let told = office.presses("person_allow", "allow").await;
    assert!(button(&told).unwrap().contains("/install/give?ticket="), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_permission_people_may_what_bitrix24_lets_them() {
    let office = Office::open().await;
    let portal = office.portal();
    let secret = office.secret_deal().await;
    let own = portal.add_item(DEAL, json!({"title": "Own roof", "assignedById": 6, "createdBy": 9}));
    let observed = portal.add_item(DEAL, json!({"title": "Observed roof", "assignedById": 9, "observers": [6]}));
    office.estate.settle().await;
    office.permit().await;
    // A deal of somebody else is as one that is not there.
    let missing = words(&office.types("/b24-deal", "999999").await);
    assert_eq!(words(&office.types("/b24-deal", &secret.to_string()).await), missing);
    for (action, value) in [
        ("deal_take", secret.to_string()),
        ("deal_show", secret.to_string()),
        ("deal_stage", format!("{secret} PREPARATION")),
    ] {
        assert_eq!(words(&office.presses(action, &value).await), missing, "{action}");
    }
    let deal = portal.item(DEAL, secret).unwrap();
    assert_eq!((deal["assignedById"].as_u64(), deal["stageId"].as_str()), (Some(9), Some("NEW")));
    assert!(words(&office.types("/b24-deal", "Secret").await).contains("No deal has"));
    assert!(office.pastes(secret).await.is_null());
    // Their own they move; what they observe they read, and Bitrix24 lets them change no more than that.
    assert!(words(&office.types("/b24-deal", &own.to_string()).await).contains("Own roof"));
    office.presses("deal_stage", &format!("{own} PREPARATION")).await;
    assert_eq!(portal.item(DEAL, own).unwrap()["stageId"], "PREPARATION");
    assert!(words(&office.types("/b24-deal", "Observed").await).contains("Observed roof"));
    assert!(words(&office.presses("deal_take", &observed.to_string()).await).contains("does not allow this"));
    assert_eq!(portal.item(DEAL, observed).unwrap()["assignedById"], 9);
    assert!(words(&office.pastes(own).await).contains("Own roof"));
    let home = office.home().await.to_string();
    assert!(home.contains("Own roof") && !home.contains("Secret roof"), "{home}");
    // With a larger role, more: the portal decides, not we.
    portal.let_reach_all(6);
    assert!(words(&office.types("/b24-deal", &secret.to_string()).await).contains("Secret roof"));
    office.types("/b24-lead", "In my own name").await;
    assert_eq!(portal.item(LEAD, *portal.ids(LEAD).last().unwrap()).unwrap()["createdBy"], 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permission_that_is_taken_back_while_a_form_is_open_loses_no_words() {
    let office = Office::open().await;
    let deal = office.portal().add_item(DEAL, json!({"title": "Own roof", "assignedById": 6}));
    office.estate.settle().await;
    office.permit().await;
    office.slack().press(&office.ann, &office.channel, "deal_comment", &deal.to_string()).await;
    office.estate.all_have_arrived().await;
    office.estate.work_what_is_ready().await;
    assert!(office.slack().dialog(&office.ann).is_some());
    office.estate.connections.revoke(&office.tenant(), 6).await.unwrap();
    office.slack().submit(&office.ann, &[("comment", "they called about the chimney")]).await;
    office.estate.settle().await;
    let told = office.last();
    assert!(button(&told).is_some() && words(&told).contains("they called about the chimney"), "{told}");
    assert!(office.portal().timeline("deal", deal).is_empty());
}

/// Of a company whose portal is connected by an incoming webhook.
impl Cast {
    /// Types a command; the whole message that the person reads in the end, so that nothing is hidden in it.
    async fn reads(&self, user: &str, command: &str, text: &str) -> String {
        words(&self.answer(user, command, text).await)
    }

    async fn reads_after(&self, action: &str, value: &str) -> String {
        self.presses(&self.ann, action, value).await;
        self.world.settle().await;
        words(&self.read_by(&self.ann))
    }

    async fn pastes(&self, path: &str) -> Value {
        let link = format!("http://{}{path}", self.world.sandbox.portal.host());
        let ts = self.world.sandbox.slack.paste(&self.ann, &self.channel, &[&link]);
        self.world.settle().await;
        self.world.sandbox.slack.unfurled(&self.channel, &ts)
    }

    fn people(&self) -> UserLinks {
        UserLinks::new(self.world.engine.backend.store.clone())
    }

    /// Links Ann by hand, as an administrator does.
    async fn link_ann(&self) -> UserLink {
        let at = runtime::clock::Clock::now(self.world.clock.as_ref());
        let link = UserLink { slack: self.ann.clone(), user: 6, origin: LinkOrigin::Hand, name: "Ann".into(), at };
        self.people().link(&self.world.tenant, &link).await.unwrap();
        link
    }
}

#[tokio::test]
async fn with_a_webhook_people_reach_what_concerns_them_and_nothing_else() {
    let cast = Cast::start().await;
    let portal = &cast.world.sandbox.portal;
    let deal = |more: Value| {
        let mut fields =
            json!({"title": "Roof", "opportunity": 150_000, "currencyId": "EUR", "assignedById": 9, "createdBy": 9});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        portal.add_item(DEAL, fields)
    };
    let (responsible, created, observed) =
        (deal(json!({"assignedById": 6})), deal(json!({"createdBy": 6})), deal(json!({"observers": [15, 6]})));
    let secret = deal(json!({"title": "Hidden barn"}));
    cast.world.settle().await;
    for id in [responsible, created, observed] {
        assert!(cast.reads(&cast.ann, "/b24-deal", &id.to_string()).await.contains("150,000"), "{id}");
        assert!(cast.pastes(&format!("/crm/deal/details/{id}/")).await.to_string().contains("150,000"), "{id}");
    }
    let before = portal.item(DEAL, secret).unwrap();
    let missing = cast.reads(&cast.ann, "/b24-deal", "999999").await;
    assert!(missing.contains("or you are not allowed to see it"), "{missing}");
    assert_eq!(cast.reads(&cast.ann, "/b24-deal", &secret.to_string()).await, missing);
    for (action, value) in [
        ("deal_show", secret.to_string()),
        ("deal_take", secret.to_string()),
        ("deal_stage", format!("{secret} PREPARATION")),
    ] {
        assert_eq!(cast.reads_after(action, &value).await, missing, "{action}");
    }
    cast.world.sandbox.slack.press(&cast.ann, &cast.channel, "deal_comment", &secret.to_string()).await;
    cast.world.none_left_to_work_now().await;
    cast.world.sandbox.slack.submit(&cast.ann, &[("comment", "I was here")]).await;
    cast.world.settle().await;
    assert_eq!(portal.item(DEAL, secret).unwrap(), before);
    assert!(portal.timeline("deal", secret).is_empty());
    assert!(cast.pastes(&format!("/crm/deal/details/{secret}/")).await.is_null());
    // A search is no way round: words of a hidden deal are as words that no deal has.
    let none = cast.reads(&cast.ann, "/b24-deal", "barm").await;
    assert_eq!(cast.reads(&cast.ann, "/b24-deal", "barn").await, none.replace("barm", "barn"));
    let found = cast.reads(&cast.ann, "/b24-deal", "Roof").await;
    for id in [responsible, created, observed] {
        assert!(found.contains(&format!("/crm/deal/details/{id}/")), "{id}: {found}");
    }
    // Tasks likewise, those of others and those that are not there.
    let task = portal.add_task(json!({"TITLE": "Paint the barn", "RESPONSIBLE_ID": 9, "CREATED_BY": 9}));
    let watched = portal.add_task(json!({"TITLE": "Mow", "RESPONSIBLE_ID": 9, "CREATED_BY": 9, "AUDITORS": [6]}));
    cast.world.settle().await;
    let path = |id: u64| format!("/company/personal/user/9/tasks/task/view/{id}/");
    assert!(cast.pastes(&path(task)).await.is_null() && cast.pastes(&path(999_999)).await.is_null());
    assert!(cast.pastes(&path(watched)).await.to_string().contains("Mow"));
}

#[tokio::test]
async fn a_deal_does_not_give_away_the_client_that_is_hidden() {
    let cast = Cast::start().await;
    let portal = &cast.world.sandbox.portal;
    let company = portal.add_item(simulators::portal::COMPANY, json!({"title": "Hidden Holding", "assignedById": 9}));
    let deal = portal.add_item(DEAL, json!({"title": "Roof", "assignedById": 6, "companyId": company}));
    cast.world.settle().await;
    let told = cast.reads(&cast.ann, "/b24-deal", &deal.to_string()).await;
    assert!(told.contains("Roof") && !told.contains("Hidden Holding"), "{told}");
    portal.change_item(simulators::portal::COMPANY, company, json!({"assignedById": 6}));
    cast.world.settle().await;
    assert!(cast.reads(&cast.ann, "/b24-deal", &deal.to_string()).await.contains("Hidden Holding"));
}

#[tokio::test]
async fn a_deal_that_one_observes_is_found_among_many() {
    let cast = Cast::start().await;
    let portal = &cast.world.sandbox.portal;
    let own = portal.add_item(DEAL, json!({"title": "Bulk own", "assignedById": 6}));
    let observed = portal.add_item(DEAL, json!({"title": "Bulk observed", "assignedById": 9, "observers": [6]}));
    for number in 0..120 {
        portal.add_item(DEAL, json!({"title": format!("Bulk {number}"), "assignedById": 9, "createdBy": 9}));
    }
    cast.world.settle().await;
    let found = cast.reads(&cast.ann, "/b24-deal", "Bulk").await;
    for id in [own, observed] {
        assert!(found.contains(&format!("/crm/deal/details/{id}/")), "{found}");
    }
    assert_eq!(found.matches("/crm/deal/details/").count(), 2, "{found}");
}

#[tokio::test]
async fn the_connections_rights_are_an_explicit_choice_and_the_page_says_which_hold() {
    let cast = Cast::with(json!({"group_bursts": null, "people": {"act_as": "connection"}})).await;
    let portal = &cast.world.sandbox.portal;
    let deal = portal.add_item(DEAL, json!({"title": "Roof", "assignedById": 9, "createdBy": 9}));
    cast.world.settle().await;
    assert!(cast.reads(&cast.ann, "/b24-deal", &deal.to_string()).await.contains("Roof"));
    cast.reads_after("deal_take", &deal.to_string()).await;
    assert_eq!(portal.item(DEAL, deal).unwrap()["assignedById"], 6);
    let browser = Browser::administrator(&cast.world).await;
    assert!(people_page(&browser).await.contains("People act with the rights of the connection"));
    cast.world.apply(json!({})).await;
    cast.world.clock.advance(Duration::from_secs(120));
    assert!(
        people_page(&browser)
            .await
            .contains("People act only on records that they are responsible for, created or observe")
    );
    cast.world.apply(json!({"people": {"act_as": "person_only"}})).await;
    cast.world.clock.advance(Duration::from_secs(120));
    assert!(people_page(&browser).await.contains("People act with their own rights"));
}

async fn people_page(browser: &Browser) -> String {
    let page = browser.get("/admin/people").await;
    assert_eq!(page.status, 200, "{}", page.text);
    page.text.replace("&#39;", "'")
}

#[tokio::test]
async fn whoever_was_dismissed_works_no_more_and_their_link_ends_by_itself() {
    let cast = Cast::start().await;
    let portal = &cast.world.sandbox.portal;
    let deal = portal.add_item(DEAL, json!({"title": "Own roof", "assignedById": 6}));
    cast.link_ann().await;
    cast.world.settle().await;
    assert!(cast.reads(&cast.ann, "/b24-deal", &deal.to_string()).await.contains("Own roof"));
    portal.dismiss(6);
    // A profile is believed for an hour.
    cast.world.clock.advance(Duration::from_secs(3_601));
    for (command, text) in
        [("/b24-deal", deal.to_string()), ("/b24-lead", "ACME".into()), ("/b24-status", String::new())]
    {
        let told = cast.reads(&cast.ann, command, &text).await;
        assert!(told.contains("no longer active") && !told.contains("Own roof"), "{command}: {told}");
    }
    assert!(cast.reads_after("deal_take", &deal.to_string()).await.contains("no longer active"));
    assert!(cast.pastes(&format!("/crm/deal/details/{deal}/")).await.is_null());
    let ended = cast.people().ended(&cast.world.tenant).await.unwrap();
    assert_eq!((ended.len(), ended[0].reason, ended[0].link.user), (1, EndReason::Dismissed, 6));
    assert!(cast.people().of_slack(&cast.world.tenant, &cast.ann).await.unwrap().is_none());
    // Whoever comes back is linked again.
    portal.change_user(6, "ACTIVE", true.into());
    cast.world.clock.advance(Duration::from_secs(3_601));
    assert!(cast.reads(&cast.ann, "/b24-deal", &deal.to_string()).await.contains("Own roof"));
}

#[tokio::test]
async fn the_settings_link_nobody_who_was_dismissed() {
    let cast = Cast::start().await;
    let ann = cast.ann.clone();
    cast.world.apply(json!({"people": {"map": {"9": ann}, "not_by_email": true}})).await;
    cast.world.clock.advance(Duration::from_secs(120));
    assert!(cast.reads(&cast.ann, "/b24-me", "").await.contains("user 9"));
    cast.world.sandbox.portal.dismiss(9);
    cast.world.clock.advance(Duration::from_secs(3_601));
    assert!(cast.reads(&cast.ann, "/b24-lead", "ACME").await.contains("no longer active"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upkeep_ends_links_drops_permissions_and_lists_both() {
    let office = Office::open().await;
    let people = UserLinks::new(office.estate.engine.backend.store.clone());
    let tenant = office.tenant();
    let at = runtime::clock::Clock::now(office.estate.clock.as_ref());
    let bob = office.slack().person("user9@example.com");
    for (slack, user, name) in [(&office.ann, 6, "Ann"), (&bob, 9, "Bob")] {
        let link = UserLink { slack: slack.clone(), user, origin: LinkOrigin::Own, name: name.into(), at };
        people.link(&tenant, &link).await.unwrap();
    }
    office.permit().await;
    office.estate.upkeep().await;
    assert_eq!(people.all(&tenant).await.unwrap().len(), 2, "both are there");
    office.portal().dismiss(6);
    office.slack().change_person(&bob, |profile| profile.deleted = true);
    office.estate.settle().await;
    office.estate.clock.advance(Duration::from_secs(3_700));
    office.estate.upkeep().await;
    assert!(people.all(&tenant).await.unwrap().is_empty());
    let portal = office.estate.connections.portal(&tenant).await.unwrap();
    assert!(office.estate.connections.bitrix24_as(&portal, 6).await.unwrap().is_none());
    let (entries, _) = Audit::new(office.estate.engine.backend.store.clone()).latest(&tenant, 10, None).await.unwrap();
    assert_eq!(entries.iter().filter(|entry| entry.what == "link ended").count(), 2, "{entries:?}");
    let (browser, _) = office.estate.install_portal(0).await;
    let page = browser.get("/admin/people").await.text;
    assert!(page.contains("dismissed in Bitrix24") && page.contains("deactivated in Slack"), "{page}");
    assert!(page.contains("People act with their own rights"), "{page}");
}

#[tokio::test]
async fn guests_and_people_of_other_organisations_are_not_found_by_their_mail() {
    type Change = fn(&mut simulators::slack::Profile);
    let changes: [(&str, Change); 5] = [
        ("guest of several channels", |profile| profile.is_restricted = true),
        ("guest of one channel", |profile| profile.is_ultra_restricted = true),
        ("stranger", |profile| profile.is_stranger = true),
        ("other workspace", |profile| profile.team = "T0OTHER".into()),
        ("other organisation", |profile| {
            profile.team = "T0OTHER".into();
            profile.organisation = Some(("E0OTHER".into(), vec!["T0OTHER".into()]));
        }),
    ];
    let route = json!({"name": "tasks", "change": "task.created", "to": "@responsible"});
    for (who, change) in changes {
        let cast = Cast::with(json!({"group_bursts": null, "routes": [route]})).await;
        let deal = cast.world.sandbox.portal.add_item(DEAL, json!({"title": "Own roof", "assignedById": 6}));
        cast.world.settle().await;
        // Before, they were an ordinary colleague, found by their e-mail.
        assert!(cast.reads(&cast.ann, "/b24-deal", &deal.to_string()).await.contains("Own roof"));
        cast.world.sandbox.slack.change_person(&cast.ann, change);
        cast.world.settle().await;
        let told = cast.reads(&cast.ann, "/b24-deal", &deal.to_string()).await;
        assert!(!told.contains("Own roof"), "{who}: {told}");
        assert!(cast.people().of_user(&cast.world.tenant, 6).await.unwrap().is_empty(), "{who}");
        // Nor is what is for the colleague sent to them.
        for responsible in [6, 9] {
            let task = json!({"TITLE": "For the colleague", "RESPONSIBLE_ID": responsible, "CREATED_BY": 1});
            cast.world.sandbox.portal.add_task(task);
            cast.world.settle().await;
            let told = cast.world.direct(responsible).iter().any(|text| text.contains("For the colleague"));
            assert_eq!(told, responsible == 9, "{who}, user {responsible}");
        }
        // What an administrator links is linked.
        cast.link_ann().await;
        assert!(cast.reads(&cast.ann, "/b24-deal", &deal.to_string()).await.contains("Own roof"), "{who}");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_whoever_was_dismissed_or_is_no_employee() {
    for (field, value) in [("ACTIVE", json!(false)), ("USER_TYPE", json!("extranet"))] {
        let route = json!({"name": "tasks", "change": "task.created", "to": "@responsible"});
        let settings = json!({"group_bursts": null, "routes": [route]});
        for person in [9, 6] {
            let cast = Cast::with(settings.clone()).await;
            cast.world.sandbox.portal.change_user(6, field, value.clone());
            let task = json!({"TITLE": "Paint", "RESPONSIBLE_ID": person, "CREATED_BY": 1});
            cast.world.sandbox.portal.add_task(task);
            cast.world.settle().await;
            let told = cast.world.direct(person).iter().any(|text| text.contains("Paint"));
            assert_eq!(told, person == 9, "{field}, user {person}");
        }
    }
}

#[tokio::test]
async fn members_of_the_organisation_are_colleagues() {
    let cast = Cast::start().await;
    let team = cast.world.sandbox.slack.team_id();
    cast.world.sandbox.slack.change_person(&cast.ann, |profile| {
        profile.team = "T0HOME".into();
        profile.organisation = Some(("E0SANDBOX".into(), vec!["T0HOME".into(), team.clone()]));
    });
    cast.world.settle().await;
    assert!(cast.reads(&cast.ann, "/b24-me", "").await.contains("by your email"));
}

#[tokio::test]
async fn extranet_users_are_not_found_by_their_mail() {
    let cast = Cast::start().await;
    cast.world.sandbox.portal.change_user(6, "USER_TYPE", "extranet".into());
    cast.world.sandbox.portal.change_user(6, "UF_DEPARTMENT", json!([]));
    let told = cast.reads(&cast.ann, "/b24-me", "").await;
    assert!(!told.contains("by your email"), "{told}");
}

#[tokio::test]
async fn a_code_is_long_and_asked_for_three_times_an_hour() {
    let cast = Cast::start().await;
    let portal = &cast.world.sandbox.portal;
    for _ in 0..5 {
        cast.reads(&cast.stranger, "/b24-me", "user9@example.com").await;
    }
    assert_eq!(portal.notes(9).len(), 3);
    let code = cast.code(9);
    assert!(code.len() == 8 && !code.contains(['0', 'O', '1', 'I', 'L']), "{code}");
    assert!(portal.notes(9)[0].contains("nobody (nobody@elsewhere.example) in Slack"), "{:?}", portal.notes(9));
    // A nobody's e-mail costs as much: whether there is such a person is not to be learned.
    let told = cast.reads(&cast.stranger, "/b24-me", "nobody@example.com").await;
    assert!(told.contains("three codes within an hour"), "{told}");
    // Another account cannot send the same person more.
    let second = cast.world.sandbox.slack.add_person("second@elsewhere.example");
    let answer = cast.reads(&second, "/b24-me", "user9@example.com").await;
    assert_eq!(portal.notes(9).len(), 3);
    assert_eq!(cast.reads(&second, "/b24-me", "nobody@example.com").await, answer);
    cast.world.clock.advance(Duration::from_secs(3_601));
    cast.reads(&second, "/b24-me", "user9@example.com").await;
    assert_eq!(portal.notes(9).len(), 4);
}

#[tokio::test]
async fn another_code_gives_no_more_tries() {
    let cast = Cast::start().await;
    let wrong = |told: &str| assert!(told.contains("not the code"), "{told}");
    cast.reads(&cast.stranger, "/b24-me", "user9@example.com").await;
    for _ in 0..3 {
        wrong(&cast.reads(&cast.stranger, "/b24-me", "AAAAAAAA").await);
    }
    cast.reads(&cast.stranger, "/b24-me", "user9@example.com").await;
    for _ in 0..2 {
        wrong(&cast.reads(&cast.stranger, "/b24-me", "AAAAAAAA").await);
    }
    wrong(&cast.reads(&cast.stranger, "/b24-me", &cast.code(9)).await);
    let sent = cast.world.sandbox.portal.notes(9).len();
    assert!(cast.reads(&cast.stranger, "/b24-me", "user9@example.com").await.contains("Try again in"));
    assert_eq!(cast.world.sandbox.portal.notes(9).len(), sent);
    // An hour later all is as before; a code may be typed in small letters and in groups.
    cast.world.clock.advance(Duration::from_secs(3_601));
    cast.reads(&cast.stranger, "/b24-me", "user9@example.com").await;
    let code = cast.code(9).to_lowercase();
    let told = cast.reads(&cast.stranger, "/b24-me", &format!("{}-{}", &code[..4], &code[4..])).await;
    assert!(told.contains("linked by yourself"), "{told}");
}

#[tokio::test]
async fn whoever_is_linked_by_a_code_is_told_and_can_undo_it() {
    let cast = Cast::start().await;
    let name = "[url=https://evil.example]Your boss[/url]";
    cast.world.sandbox.slack.change_person(&cast.stranger, |profile| name.clone_into(&mut profile.name));
    cast.world.settle().await;
    cast.reads(&cast.stranger, "/b24-me", "user9@example.com").await;
    let told = cast.reads(&cast.stranger, "/b24-me", &cast.code(9)).await;
    assert!(told.contains("/b24-me off to undo it"), "{told}");
    let notes = cast.world.sandbox.portal.notes(9);
    let note = notes.last().unwrap();
    assert!(note.contains("is now linked to you") && !note.contains("[url="), "{note}");
    let ticket = note.split("/install/unlink?ticket=").nth(1).unwrap();
    let ticket: String = ticket.chars().take_while(char::is_ascii_alphanumeric).collect();
    let browser = Browser::of(&cast.world);
    // A week is enough; chat programs that look at the link undo nothing.
    cast.world.clock.advance(Duration::from_secs(6 * 86_400));
    for _ in 0..2 {
        assert!(browser.get(&format!("/install/unlink?ticket={ticket}")).await.text.contains("Remove the link"));
    }
    assert!(cast.people().of_slack(&cast.world.tenant, &cast.stranger).await.unwrap().is_some());
    assert_eq!(browser.post("/install/unlink", &[("ticket", "guess")]).await.status, 400);
    assert_eq!(browser.post("/install/unlink", &[("ticket", &ticket)]).await.status, 200);
    assert!(cast.people().of_slack(&cast.world.tenant, &cast.stranger).await.unwrap().is_none());
    assert_eq!(browser.post("/install/unlink", &[("ticket", &ticket)]).await.status, 400);
    let answer = cast.reads(&cast.stranger, "/b24-lead", "ACME").await;
    assert!(answer.contains("Type /b24-me and your Bitrix24 email"), "{answer}");
    let (entries, _) =
        Audit::new(cast.world.engine.backend.store.clone()).latest(&cast.world.tenant, 10, None).await.unwrap();
    let done: Vec<&str> = entries.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(done, ["unlinked", "linked by a code"]);
}
