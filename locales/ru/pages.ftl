## Рамка страниц

skip-to-content = Перейти к содержанию
list-of-pages = Страницы
signed-in-as = { $portal } · вы вошли как { $person }
sign-out = Выйти

## Названия страниц

page-overview = Обзор
page-events = События
page-failed-deliveries = Сбои доставки
page-checks = Проверки
page-routes = Маршруты
page-settings = Настройки
page-people = Люди
page-conversations = Переписка
page-notion = Notion
page-needs-attention = Требует внимания
page-api-keys = Ключи API
page-audit = Журнал изменений
page-connections = Подключения

## По пути к другому сервису

one-moment = Одну минуту
taken-to = Сейчас откроется { $provider }, где вы разрешите доступ.

## Ошибки

failed = Не получилось
not-found = Страница не найдена
no-such-page = Такой страницы нет.
back = Назад
to-the-overview = К обзору

## Кнопки

cancel = Отмена

## Время

ago = { $duration } назад
just-now = только что
milliseconds = { $count } мс
seconds = { $count } с
minutes = { $count } мин
hours = { $count } ч
days = { $count } дн.
