<?php

declare(strict_types=1);

namespace Switchboard;

/**
 * Forwards events of an on-premise portal's modules to Switchboard, where routes tell them as `custom.NAME`.
 *
 * It must never hurt the portal: it sends after the answer to the visitor is out (where the portal can do that), waits
 * two seconds at most, and lets no error out. What could not be sent is written to the portal's own log.
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
     * @param string $url where Switchboard takes events: https://…/webhooks/bitrix24
     * @param string $memberId the portal's member_id, as Switchboard knows it
     * @param string $applicationToken the application token, as Switchboard knows it
     * @param ?callable $log takes a line; error_log if none is given
     * @param ?callable $later takes what is to be done after the answer; at once if none is given
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
     * Forwards one event. The same $id twice is told once; without one every call is told.
     *
     * @param string $name letters, digits, dots and underscores: order_paid is told by routes for custom.order_paid
     * @param array<string, mixed> $fields what routes and cards can read as record.FIELD
     */
    public function forward(string $name, array $fields, ?string $id = null): void
    {
        try {
            // The identity is made here, once: a second try of the same event must not be a second event.
            $id ??= bin2hex(random_bytes(12));
            ($this->later)(function () use ($name, $fields, $id): void {
                // This may run after forward() has returned: an error here must be caught here.
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

    /** A log that fails is no reason for the portal to fail. */
    private function note(string $line): void
    {
        try {
            ($this->log)($line);
        } catch (\Throwable) {
            error_log($line);
        }
    }

    /** The form that is sent, as Bitrix24's own events are. */
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
            // A refusal stays one; only what may have been a moment's trouble is tried once more.
            if ($status >= 400 && $status < 500) {
                break;
            }
        }
        $this->note(sprintf('Switchboard: %s was not taken: HTTP %d %s', $name, $status, substr($answer, 0, 200)));
    }

    /** @return array{int, string} the status, 0 where nobody answered, and the beginning of the answer */
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

    /** What a form can carry: texts and lists of them; dates as ISO 8601, objects as what they say of themselves. */
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
