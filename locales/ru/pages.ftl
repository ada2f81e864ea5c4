## Рамка страниц

skip-to-content = Перейти к содержанию
list-of-pages = Страницы
signed-in-as = { $portal } · вход выполнен: { $person }
sign-out = Выйти

by-one-time-code = по одноразовому коду

## Сервисы

bitrix24 = Битрикс24
notion = Notion

## Названия страниц

page-overview = Обзор
page-events = События
page-failed-deliveries = Сбои доставки
page-checks = Проверки
page-routes = Маршруты
page-settings = Настройки
page-people = Люди
page-conversations = Связи каналов и чатов
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
form-expired = Эта форма устарела
form-expired-explained = Вернитесь, обновите страницу и отправьте форму снова.
another-site = Эту форму отправила не страница Switchboard, поэтому ничего не изменено. Откройте страницу здесь и отправьте форму снова. Если вы так и сделали, значит, браузер или прокси удаляет заголовки Sec-Fetch-Site и Origin.
wrong-method = Этот адрес не принимает такой запрос.
address-too-long = Адрес слишком длинный.
too-large = Отправленное слишком велико для этой страницы.
too-many-fields = В форме слишком много полей.
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
