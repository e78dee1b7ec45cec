"""Parts of the Label page: pairs, judging, quality of the judgments, the dataset built from them."""
