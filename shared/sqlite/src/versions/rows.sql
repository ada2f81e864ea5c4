-- The same rows in a file of each version: an item, one that has expired, a message that a process had taken, one that waits
-- behind it, and a dead letter.
INSERT INTO items VALUES ('links', 'acme#names', 'a', '"Anna"', 7, NULL), ('links', 'acme#names', 'b', '"old"', 7, 1000);
INSERT INTO messages (queue, grp, body, visible_at, receives, lease) VALUES
    ('slack-delivery', 'acme#c1', 'first', 1000, 1, 'a-lease'), ('slack-delivery', 'acme#c1', 'second', 1000, 0, NULL);
INSERT INTO groups VALUES ('slack-delivery', 'acme#c1', 9000000000000);
INSERT INTO deduplications VALUES ('slack-delivery', 'x', 9000000000000);
INSERT INTO dead_letters (queue, letter) VALUES ('slack-delivery', '{"code":"c","reason":"r","attempts":1,"trace":"t",'
    || '"tenant":"acme","buried_at":"2026-11-21T12:00:00Z","body":"{}","group":"acme#c1"}');
