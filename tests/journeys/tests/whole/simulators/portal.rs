//! The portal: what it sends in odd shapes is not lost.

use journeys::World;
use simulators::portal::PortalEventDelivery;

/// Something beside the event that PHP would take as it is: it costs itself alone.
const BESIDE: [&[u8]; 14] = [
    b"note=%CA%F0",
    b"note=%D0%9A%D1",
    b"note=\xca\xf0",
    b"flag",
    b"&&&",
    b"=1",
    b"%FF%FE=1",
    b"data%5BFIELDS%5D%5BTITLE%5D=%CF%F0%E8",
    b"data[FIELDS][X]=%D0",
    b"auth[note]=%E2%82",
    b"a[b=1",
    b"x[][][][]=1",
    b"note=%zz%",
    b"x=1;y=2",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_badly_encoded_field_beside_an_event_does_not_cost_the_event() {
    let world = World::start().await;
    let portal = &world.sandbox.portal;
    portal.deliver(PortalEventDelivery { drop_every: 1, ..PortalEventDelivery::default() });
    for (index, beside) in BESIDE.into_iter().enumerate() {
        for first in [false, true] {
            let title = format!("Deal {index} {first}");
            let deal = portal.add_deal(&title, 1, "EUR");
            let event = portal.event_body("ONCRMDEALADD", deal).into_bytes();
            let body = if first { [beside, &event].join(&b'&') } else { [&event, beside].join(&b'&') };
            let (status, answer) = world.post(body).await;
            assert_eq!(status, 200, "{}: {answer}", String::from_utf8_lossy(beside));
            world.settle().await;
            let told = world.channel("sales-pipeline");
            assert!(told.contains(&format!("New deal: {title}")), "{}: {told:?}", String::from_utf8_lossy(beside));
        }
    }
}
