// Package hsts knows what Strict-Transport-Security may say (RFC 6797).
package hsts
