### The frame of all pages, and what several pages show.

## The frame

skip-to-content = Skip to the content
# The label of the list of pages, for screen readers
list-of-pages = Pages
# $portal (text): the address of the company's Bitrix24
# $person (text): who is signed in
signed-in-as = { $portal } · signed in as { $person }
sign-out = Sign out

# Who signed in by a code, which names no one
by-one-time-code = a one-time code

## Providers

bitrix24 = Bitrix24
notion = Notion

## The names of the pages

page-overview = Overview
page-events = Events
page-failed-deliveries = Failed deliveries
page-checks = Checks
page-routes = Routes
page-settings = Settings
page-people = People
page-conversations = Chat bridges
page-notion = Notion
page-needs-attention = Needs attention
page-api-keys = API keys
page-audit = Audit
page-connections = Connections

## On the way to a provider

one-moment = One moment
# $provider (text): a link to the provider
taken-to = You are being taken to { $provider }, where you allow access.

## Errors

failed = That did not work
not-found = Page not found
no-such-page = There is no such page.
form-expired = This form is out of date
form-expired-explained = Go back, reload the page and send the form again.
another-site = This form was not sent by a page of Switchboard, so nothing was changed. Open the page here and send the form again. If that is what you did, the browser or a proxy removes the headers Sec-Fetch-Site and Origin.
wrong-method = This address does not accept such a request.
address-too-long = The address is too long.
too-large = What was sent is too large for this page.
too-many-fields = The form has too many fields.
back = Back
to-the-overview = To the overview

## Buttons

cancel = Cancel

## Times

# $duration (text): one of those below
ago = { $duration } ago
just-now = just now
# $count (number): how many
milliseconds = { $count } ms
# $count (number): how many
seconds = { $count } s
# $count (number): how many
minutes = { $count } min
# $count (number): how many
hours = { $count } h
# $count (number): how many
days = { $count } d
