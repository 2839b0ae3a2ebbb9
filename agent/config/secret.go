package config

import (
	"fmt"
	"regexp"

	"github.com/hashicorp/hcl/v2"
)

// misplacedSecret matches what HCL says of an unknown argument that is likely
// to hold a secret.
var misplacedSecret = regexp.MustCompile(`named "((?:[a-z0-9_]+_)?(?:token|password|secret|secret_id|private_key|ticket_key))"`)

// hideSecret replaces a diagnostic about a secret that someone wrote into a
// file by one that doesn't quote its line, since diagnostics are logged and
// sent to whoever asked for a reload.
func hideSecret(d *hcl.Diagnostic) *hcl.Diagnostic {
	m := misplacedSecret.FindStringSubmatch(d.Detail)
	if m == nil || d.Subject == nil {
		return d
	}
	return &hcl.Diagnostic{
		Severity: d.Severity,
		Summary:  "Secret in a configuration file",
		Detail: fmt.Sprintf("The argument %q at %s:%d is not expected. Secrets are never written into the configuration: where there is an argument %q, it names the file that holds one.",
			m[1], d.Subject.Filename, d.Subject.Start.Line, m[1]+"_file"),
	}
}
