// Whoever uses Pawprint looks for its guides: pages about its development come after these, and a
// section whose title has the words comes before the pages that contain them.
const DEVELOPMENT = /^(decisions\/|changelog|contributing|development)/;
var Scorer = {  // Sphinx declares it again
  score: ([name, title, anchor, description, score, file, kind]) =>
    score + (kind === "title" ? 20 : 0) - (DEVELOPMENT.test(name) ? 1000 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
