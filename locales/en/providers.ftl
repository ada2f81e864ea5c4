### What the providers are called.

bitrix24 = Bitrix24
slack = Slack
notion = Notion
