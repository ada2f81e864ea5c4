//! Simulators of Bitrix24 and Slack that speak real HTTP on loopback.
