bitrix24 = Битрикс24
slack = Slack
notion = Notion
