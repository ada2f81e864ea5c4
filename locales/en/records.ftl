### Records: what their fields, kinds and states are called.

## Fields

field-responsible = Responsible
field-assignee = Assignee
field-previous-responsible = Previous responsible
field-creator = Created by
field-sum = Amount
field-stage = Stage
field-from-stage = Previous stage
field-funnel = Funnel
field-from-funnel = Previous funnel
field-source = Source
field-company = Company
field-contact = Contact
field-client = Client
field-created = Created
field-changed-fields = Changed fields
field-project = Project
field-deadline = Deadline
field-from-deadline = Previous deadline
field-status = Status
field-from-status = Previous status
field-author = Author
field-text = Text
field-phone = Phone
field-time = Time
field-duration = Duration
field-deal = Deal
field-reason = Reason
field-callback = Call back
field-recording = Recording
field-type = Type
field-id = ID
field-title = Title
field-url = Link

## Values

unknown = unknown
none = none
no-title = (no title)
a-file = (a file)
# $amount (text): the amount, written as the language writes numbers
# $currency (text): its currency's code
money = { $amount } { $currency }

## A task's status

task-pending = pending
task-in-progress = in progress
task-awaiting-review = awaiting review
task-completed = completed
task-deferred = deferred

## Records by kind and number

# $id (text): the record's number
lead = Lead { $id }
# $id (text): the record's number
deal = Deal { $id }
# $id (text): the record's number
contact = Contact { $id }
# $id (text): the record's number
company = Company { $id }
# $id (text): the record's number
# $process (text): the number of its smart process
item = Item { $id } (smart process { $process })
# $id (text): the record's number
task = Task { $id }
# $id (text): the call's number
call = Call { $id }

## Changes: what they are about, and what happens to it

leads = Leads
deals = Deals
tasks = Tasks
calls = Calls
contacts = Contacts
companies = Companies
smart-process-items = Items of smart processes
created = created
updated = another field changed
stage-changed = moved to another stage
funnel-changed = moved to another funnel
responsible-changed = another person is responsible
deleted = deleted
status-changed = started, finished, deferred or resumed
deadline-changed = the deadline changed
commented = someone commented
ended = an answered or outgoing call ended
missed = nobody answered
recorded = the recording of a call is available
custom-changes = events of your own
