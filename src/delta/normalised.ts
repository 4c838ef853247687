// Names with what changes from version to version taken out.

const changing = /[0-9a-df-np-sv-z]{32}|\d+(?:\.\d+)*/g;

/** `name` with each hash part and each number, however many points it has, as one '#'. */
export function normalised(name: string): string {
  return name.replace(changing, '#');
}
