import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, RotateCcw, X } from "lucide-react";
import { useState } from "react";
import { addKeyword, keywordsQuery, readingQuery, removeKeyword } from "../../api/inbound";
import type { Keyword, Reading } from "../../api/types";
import { plural } from "../../lib/format";
import { useDebounced } from "../../lib/hooks";
import { Button, IconButton } from "../../ui/button";
import { Chip } from "../../ui/chip";
import { cx } from "../../ui/cx";
import { TextField } from "../../ui/field";
import { Card, PageHeader } from "../../ui/layout";
import { Problems, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";

const languageNames = new Intl.DisplayNames("en", { type: "language" });

export default function OptOutKeywords() {
  const keywords = useQuery(keywordsQuery());
  const items = keywords.data?.items ?? [];
  const languages = [...new Set(items.map((keyword) => keyword.language))];
  return (
    <>
      <PageHeader
        needs="contacts:write"
        title="Opt-out keywords"
        back={{ to: "/inbound", label: "Inbound" }}
        meta={keywords.data && <span>{plural(items.filter((keyword) => keyword.origin !== "removed").length, "keyword")}. Other wording is recognized, too.</span>}
      />
      <div className="grid items-start gap-4 lg:grid-cols-2">
        <AddKeyword />
        <TryReply />
      </div>
      <div className="card mt-4 p-5">
        <QueryState query={keywords} skeleton={<Skeleton rows={8} />}>
          <dl className="grid gap-4">
            {languages.map((language) => (
              <div key={language ?? "own"} className="grid gap-2 sm:grid-cols-[9rem_minmax(0,1fr)]">
                <dt className="pt-1.5 font-medium">{language === null ? "Your own" : languageNames.of(language)}</dt>
                <dd className="flex flex-wrap gap-1.5">
                  {items.filter((keyword) => keyword.language === language).map((keyword) => <Word key={keyword.word} keyword={keyword} />)}
                </dd>
              </div>
            ))}
          </dl>
        </QueryState>
      </div>
    </>
  );
}

function useChange() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: ({ word, add }: { word: string; add: boolean }) => (add ? addKeyword(word) : removeKeyword(word)),
    onSuccess: () => void cache.invalidateQueries({ queryKey: ["opt-out-keywords"] }),
  });
}

function Word({ keyword }: { keyword: Keyword }) {
  const change = useChange();
  const removed = keyword.origin === "removed";
  const act = () =>
    change.mutate(
      { word: keyword.word, add: removed },
      { onError: toast.failed, onSuccess: () => !removed && toast.undo(`“${keyword.word}” removed from the list`, () => change.mutate({ word: keyword.word, add: true })) },
    );
  return (
    <span className={cx("inline-flex min-h-8 items-center rounded-md border border-line bg-sunken pl-2.5", keyword.origin === "required" && "pr-2.5")}>
      <bdi className={cx(removed && "text-muted line-through")}>{keyword.word}</bdi>
      {keyword.origin === "required" ? (
        <span className="ml-2 text-xs text-muted" title="An opt-out for Twilio and under 47 CFR 64.1200(a)(10)">always</span>
      ) : (
        <IconButton needs="contacts:write" label={removed ? `Restore ${keyword.word}` : `Remove ${keyword.word} from the list`} onPress={act} isPending={change.isPending}>
          {removed ? <RotateCcw /> : <X />}
        </IconButton>
      )}
    </span>
  );
}

function AddKeyword() {
  const change = useChange();
  const [word, setWord] = useState("");
  return (
    <Card title="Add a keyword">
      <form
        className="flex flex-wrap items-start gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate({ word: word.trim(), add: true }, { onSuccess: () => { toast.done(`“${word.trim()}” opts a person out`); setWord(""); } });
        }}
      >
        <TextField className="min-w-48 flex-1" label="Word or phrase" value={word} onChange={setWord} hint="The whole reply, in any case and with words of politeness." />
        <Button needs="contacts:write" type="submit" className="mt-[26px]" icon={<Plus aria-hidden />} isDisabled={word.trim() === ""} isPending={change.isPending}>
          Add
        </Button>
      </form>
      <Problems error={change.error} className="mt-3" />
    </Card>
  );
}

function TryReply() {
  const [text, setText] = useState("");
  const reading = useQuery(readingQuery(useDebounced(text, 250)));
  return (
    <Card title="Try a reply">
      <TextField label="What a person might write" value={text} onChange={setText} hint="Nothing is stored." />
      <p className="mt-3 min-h-6" aria-live="polite">{text.trim() !== "" && reading.data && <ReadingLine reading={reading.data} />}</p>
    </Card>
  );
}

const bases = { provider: "Twilio’s verdict", button: "a button", keyword: "a keyword", wording: "its wording" } as const;

function ReadingLine({ reading }: { reading: Reading }) {
  const [tone, label] = reading.kind === "stop" ? (reading.needs_review ? (["warn", "Opt-out until reviewed"] as const) : (["bad", "Opt-out"] as const)) : reading.kind === "start" ? (["ok", "Opt-in"] as const) : (["neutral", "No opt-out"] as const);
  return (
    <>
      <Chip tone={tone}>{label}</Chip> <span className="ml-2 text-muted">{reading.basis && `by ${bases[reading.basis]}`}{reading.score != null && ` · score ${reading.score.toFixed(2)}`}</span>
    </>
  );
}
