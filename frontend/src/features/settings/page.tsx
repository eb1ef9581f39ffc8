import { Link } from "@tanstack/react-router";
import { setAppearance, useAppearance } from "../../lib/appearance";
import { buttonClass } from "../../ui/button";
import { Segmented } from "../../ui/choice";
import { Switch } from "../../ui/field";
import { Card, PageHeader } from "../../ui/layout";

export default function Settings() {
  return (
    <>
      <PageHeader title="Settings" meta={<span>Your name, password and sessions are in <Link to="/profile" className="text-accent underline underline-offset-4">your profile</Link>.</span>} />
      <div className="grid items-start gap-4 lg:grid-cols-2">
        <Appearance />
        <ApiKeys />
        <OptOutKeywords />
      </div>
    </>
  );
}

function Appearance() {
  const { theme, glass, shortcuts } = useAppearance();
  return (
    <Card title="Appearance">
      <div className="grid gap-5">
        <div className="grid gap-1.5">
          <span className="text-sm font-medium">Theme</span>
          <Segmented label="Theme" value={theme} onChange={(value) => setAppearance({ theme: value })} options={[{ id: "system", label: "System" }, { id: "light", label: "Light" }, { id: "dark", label: "Dark" }]} />
        </div>
        <div className="grid gap-1.5">
          <span className="text-sm font-medium">Glass</span>
          <Segmented label="Glass" value={glass} onChange={(value) => setAppearance({ glass: value })} options={[{ id: "auto", label: "Automatic" }, { id: "on", label: "On" }, { id: "off", label: "Off" }]} />
          <span className="text-xs text-muted">Automatic follows the system’s wish for less transparency or more contrast.</span>
        </div>
        <Switch checked={shortcuts} onChange={(on) => setAppearance({ shortcuts: on })} hint="g then a letter, / and ?. Ctrl K always works.">
          Single-key shortcuts
        </Switch>
      </div>
    </Card>
  );
}

function ApiKeys() {
  return (
    <Card title="API keys">
      <p className="mb-4 text-muted">A program signs in with a key of its own: a part of your permissions, for a limited time.</p>
      <Link to="/settings/api-keys" className={buttonClass()}>
        Go to API keys
      </Link>
    </Card>
  );
}

function OptOutKeywords() {
  return (
    <Card title="Opt-out keywords">
      <p className="mb-4 text-muted">Replies that opt a person out, in every language that you use.</p>
      <Link to="/settings/opt-out-keywords" className={buttonClass()}>
        Go to opt-out keywords
      </Link>
    </Card>
  );
}
