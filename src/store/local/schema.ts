// The database's schema, version 10: exactly the statements of Nix, so that every Nix that knows it opens the store.
// Older and newer versions are refused, never migrated: that is Nix's own business.

import { NarrowError, ioError } from '../../errors.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const schemaVersion = 10;

/** The statements of Nix's schema.sql. */
export const schema = `create table if not exists ValidPaths (
    id               integer primary key autoincrement not null,
    path             text unique not null,
    hash             text not null,
    registrationTime integer not null,
    deriver          text,
    narSize          integer,
    ultimate         integer, -- null implies "false"
    sigs             text, -- space-separated
    ca               text -- if not null, an assertion that the path is content-addressed; see ValidPathInfo
);

create table if not exists Refs (
    referrer  integer not null,
    reference integer not null,
    primary key (referrer, reference),
    foreign key (referrer) references ValidPaths(id) on delete cascade,
    foreign key (reference) references ValidPaths(id) on delete restrict
);

create index if not exists IndexReferrer on Refs(referrer);
create index if not exists IndexReference on Refs(reference);

create trigger if not exists DeleteSelfRefs before delete on ValidPaths
  begin
    delete from Refs where referrer = old.id and reference = old.id;
  end;

create table if not exists DerivationOutputs (
    drv  integer not null,
    id   text not null, -- symbolic output id, usually "out"
    path text not null,
    primary key (drv, id),
    foreign key (drv) references ValidPaths(id) on delete cascade
);

create index if not exists IndexDerivationOutputs on DerivationOutputs(path);
`;

/** What Nix 2.4 to 2.34 adds once ca-derivations is enabled; it does nothing to a Nix without it. */
export const realisationSchema = `create table if not exists Realisations (
    id integer primary key autoincrement not null,
    drvPath text not null,
    outputName text not null, -- symbolic output id, usually "out"
    outputPath integer not null,
    signatures text, -- space-separated list
    foreign key (outputPath) references ValidPaths(id) on delete cascade
);

create index if not exists IndexRealisations on Realisations(drvPath, outputName);

create trigger if not exists DeleteSelfRefsViaRealisations before delete on ValidPaths
  begin
    delete from RealisationsRefs where realisationReference in (
      select id from Realisations where outputPath = old.id
    );
  end;

create table if not exists RealisationsRefs (
    referrer integer not null,
    realisationReference integer,
    foreign key (referrer) references Realisations(id) on delete cascade,
    foreign key (realisationReference) references Realisations(id) on delete restrict
);

create index if not exists IndexRealisationsRefsRealisationReference on RealisationsRefs(realisationReference);
create index if not exists IndexRealisationsRefs on RealisationsRefs(referrer);
create index if not exists IndexRealisationsRefsOnOutputPath on Realisations(outputPath);
`;

/** True when the store in this state directory has a schema, undefined while it is new. Throws `unsupported`, `format`. */
export function hasSchema(stateDir: string): boolean {
  const file = join(stateDir, 'db/schema');
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw ioError('read', file, error);
  }
  if (!/^\d{1,9}$/.test(text)) {
    throw new NarrowError(
      'format',
      `${file} is damaged: expected the schema's version, got ${JSON.stringify(text.slice(0, 40))}`,
    );
  }
  const version = Number(text);
  if (version === schemaVersion) return true;
  throw new NarrowError(
    'unsupported',
    `the store's database has schema ${version} (${file}); narrow knows only ${schemaVersion}`,
    {
      data: { version, expected: schemaVersion },
      hint:
        version < schemaVersion
          ? "let a current Nix migrate it once, for example with 'nix-store --verify', or copy through that Nix's daemon"
          : 'it was made by a newer Nix: copy through its daemon, or through a binary cache that it writes',
    },
  );
}
