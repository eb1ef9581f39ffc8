import type { Session } from "../../api/types";

/** How somebody signed in, after "signed in <when>". */
export const methods: Record<Session["method"], string> = {
  password: "with the password",
  password_and_code: "with password and code",
  password_and_backup_code: "with password and a backup code",
  link: "with a one-time link",
};

export const endings: Record<NonNullable<Session["ended_reason"]>, string> = {
  signed_out: "signed out",
  ended: "ended by you",
  ended_by_admin: "ended by an admin",
  token_reused: "a copy of its key was used",
  password_changed: "the password was changed",
  password_reset: "the password was reset",
  account_disabled: "the account was disabled",
};
