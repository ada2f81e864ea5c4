<?php

declare(strict_types=1);

/**
 * Copy this folder to /local/php_interface/switchboard/ of the portal, enter the three values below, choose the events,
 * and add to /local/php_interface/init.php:
 *
 *     require __DIR__ . '/switchboard/init.php';
 */

require_once __DIR__ . '/Forwarder.php';

$switchboard = new Switchboard\Forwarder(
    getenv('SWITCHBOARD_URL') ?: 'https://switchboard.example/webhooks/bitrix24',
    getenv('SWITCHBOARD_MEMBER_ID') ?: 'the member_id of the portal',
    getenv('SWITCHBOARD_TOKEN') ?: 'the application token',
    log: static function (string $line): void {
        function_exists('AddMessage2Log') ? AddMessage2Log($line, 'switchboard') : error_log($line);
    },
    later: static function (callable $job): void {
        // After the answer, if this version of the portal supports that.
        if (class_exists(\Bitrix\Main\Application::class) && method_exists(\Bitrix\Main\Application::class, 'addBackgroundJob')) {
            \Bitrix\Main\Application::getInstance()->addBackgroundJob($job);
        } else {
            $job();
        }
    },
);

$events = \Bitrix\Main\EventManager::getInstance();

// Before a deal is saved: what someone is about to change. A handler that returns nothing does not stop the save.
$events->addEventHandlerCompatible('crm', 'OnBeforeCrmDealUpdate', static function (array &$fields) use ($switchboard): void {
    $switchboard->forward('deal_before_update', [
        'id' => $fields['ID'] ?? null,
        'title' => $fields['TITLE'] ?? null,
        'changed' => array_keys($fields),
    ]);
});

// After a deal was saved.
$events->addEventHandlerCompatible('crm', 'OnAfterCrmDealUpdate', static function (array &$fields) use ($switchboard): void {
    $switchboard->forward('deal_after_update', ['id' => $fields['ID'] ?? null, 'changed' => array_keys($fields)]);
});

// An event of your own module, in the newer form.
$events->addEventHandler('acme.shop', 'onOrderPaid', static function (\Bitrix\Main\Event $event) use ($switchboard): void {
    $order = $event->getParameters();
    $switchboard->forward('order_paid', $order, 'order-' . ($order['ID'] ?? bin2hex(random_bytes(6))));
});
