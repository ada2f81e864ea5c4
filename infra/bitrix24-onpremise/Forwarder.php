<?php

declare(strict_types=1);

namespace Switchboard;

/**
 * Forwards events of an on-premise portal's modules to Switchboard, where routes for `custom.NAME` post them.
 *
 * It must never harm the portal: it sends after the answer to the visitor (if the portal supports that), waits two
 * seconds at most, and lets no error escape. What it could not send is written to the portal's own log.
 */
final class Forwarder
{
    private const TIMEOUT_SECONDS = 2;
    private const LARGEST_BODY = 200000;

    /** @var callable(string): void */
    private $log;

    /** @var callable(callable): void */
    private $later;

    /**
     * @param string $url where Switchboard receives events: https://…/webhooks/bitrix24
     * @param string $memberId the portal's member_id, as Switchboard knows it
     * @param string $applicationToken the application token, as Switchboard knows it
     * @param ?callable $log writes a line; default: error_log
     * @param ?callable $later runs a job after the answer; default: at once
     */
    public function __construct(
        private string $url,
        private string $memberId,
        private string $applicationToken,
        ?callable $log = null,
        ?callable $later = null
    ) {
        $this->log = $log ?? static fn (string $line) => error_log($line);
        $this->later = $later ?? static fn (callable $job) => $job();
    }

    /**
     * Forwards one event. The same $id twice makes one card; without an $id every call makes one.
     *
     * @param string $name letters, digits, dots and underscores: routes for custom.order_paid post order_paid
     * @param array<string, mixed> $fields fields that routes and cards read as record.FIELD
     */
    public function forward(string $name, array $fields, ?string $id = null): void
    {
        try {
            // Create the id here, once: a second attempt must not become a second event.
            $id ??= bin2hex(random_bytes(12));
            ($this->later)(function () use ($name, $fields, $id): void {
                // This may run after forward() has returned, so catch errors here.
                try {
                    $this->send($name, $fields, $id);
                } catch (\Throwable $error) {
                    $this->report($name, $error);
                }
            });
        } catch (\Throwable $error) {
            $this->report($name, $error);
        }
    }

    private function report(string $name, \Throwable $error): void
    {
        $this->note('Switchboard: ' . $name . ' was not forwarded: ' . $error->getMessage());
    }

    /** A failing log must not make the portal fail. */
    private function note(string $line): void
    {
        try {
            ($this->log)($line);
        } catch (\Throwable) {
            error_log($line);
        }
    }

    /** The form body, like Bitrix24's own events. */
    public function body(string $name, array $fields, string $id): string
    {
        return http_build_query([
            'event' => 'SWITCHBOARD.' . strtoupper($name),
            'data' => ['ID' => $id, 'FIELDS' => self::plain($fields)],
            'ts' => time(),
            'auth' => ['member_id' => $this->memberId, 'application_token' => $this->applicationToken],
        ]);
    }

    private function send(string $name, array $fields, string $id): void
    {
        $body = $this->body($name, $fields, $id);
        if (strlen($body) > self::LARGEST_BODY) {
            $this->note('Switchboard: ' . $name . ' is too large to be forwarded; send fewer fields');
            return;
        }
        foreach ([1, 2] as $try) {
            [$status, $answer] = $this->post($body);
            if ($status === 200) {
                return;
            }
            // A refusal is final. Anything else may be temporary and is tried once more.
            if ($status >= 400 && $status < 500) {
                break;
            }
        }
        $this->note(sprintf('Switchboard: %s was not accepted: HTTP %d %s', $name, $status, substr($answer, 0, 200)));
    }

    /** @return array{int, string} the status (0 without an answer) and the beginning of the answer */
    private function post(string $body): array
    {
        $context = stream_context_create([
            'http' => [
                'method' => 'POST',
                'header' => "Content-Type: application/x-www-form-urlencoded\r\nUser-Agent: Switchboard Forwarder\r\n",
                'content' => $body,
                'timeout' => self::TIMEOUT_SECONDS,
                'ignore_errors' => true,
                'follow_location' => 0,
            ],
            'ssl' => ['verify_peer' => true, 'verify_peer_name' => true],
        ]);
        $answer = @file_get_contents($this->url, false, $context);
        if ($answer === false) {
            return [0, error_get_last()['message'] ?? 'no answer'];
        }
        preg_match('#^HTTP/\S+ (\d+)#', $http_response_header[0] ?? '', $match);
        return [(int) ($match[1] ?? 0), $answer];
    }

    /** Converts to what a form can carry: texts and lists of texts; dates as ISO 8601, objects as their text. */
    private static function plain(mixed $value): mixed
    {
        return match (true) {
            is_array($value) => array_map([self::class, 'plain'], $value),
            is_bool($value) => $value ? 'Y' : 'N',
            $value instanceof \DateTimeInterface => $value->format(DATE_ATOM),
            is_object($value) => method_exists($value, '__toString') ? (string) $value : get_class($value),
            default => $value,
        };
    }
}
