namespace Atoll.Training.Tabular;

/// <summary>Derived values shaped for trees: numbers as they are, categories as smoothed means of the target, counts of telling words.</summary>
internal sealed record TreeFeatures
{
    // A category speaks for itself as far as it has many more rows than this.
    private const double Smoothing = 10;

    // With fewer values than this a category's mean hardly knows the single row.
    private const int OwnMeanValuesMost = 12;
    private const int EncodingFolds = 5;
    private const int LabelsMost = 6;
    private const int WordsMost = 40;

    /// <summary>Positions of the numbers used.</summary>
    public required int[] Numbers { get; init; }

    /// <summary>Per category and code the means: codes x <see cref="EncodingsPerCategory"/>.</summary>
    public required float[][] Encodings { get; init; }

    /// <summary>1, or one a label when there are several.</summary>
    public required int EncodingsPerCategory { get; init; }

    /// <summary>Per text the positions of the words used.</summary>
    public required int[][] Words { get; init; }

    public required IReadOnlyList<string> Names { get; init; }

    /// <summary>The raw column behind each feature.</summary>
    public required IReadOnlyList<string> Origins { get; init; }

    public int Count => Names.Count;

    /// <summary>Fits on some rows, and shapes all of them.</summary>
    /// <returns>
    /// The features, and their columns. In the rows fitted on, a category with many values has the mean of the other
    /// rows, so that trees do not learn to read the target out of it.
    /// </returns>
    public static (TreeFeatures Features, float[][] Columns) Fit(
        PreparationPlan plan, PreparedRows rows, TargetValues target, int[] trainRows, ulong seed)
    {
        var random = new SplitMix64(seed);
        var numbers = Enumerable.Range(0, plan.Numbers.Count).Where(i => !plan.Numbers[i].LinearOnly).ToArray();
        var perCategory = target.Loss == LossKind.Softmax ? Math.Min(target.Outputs, LabelsMost) : 1;
        var labels = EncodedLabels(target, trainRows, perCategory);
        float Encoded(int row, int encoding) =>
            target.Loss == LossKind.Softmax ? (target.Values[row] == labels[encoding] ? 1 : 0) : target.Values[row];

        var encodings = new float[plan.Categories.Count][];
        var fold = new byte[rows.RowCount];
        foreach (var row in trainRows) fold[row] = (byte)random.Next(EncodingFolds);
        var ownColumns = new List<float[]>();
        for (var c = 0; c < plan.Categories.Count; c++)
        {
            var codeCount = plan.Categories[c].CodeCount;
            encodings[c] = new float[codeCount * perCategory];
            for (var e = 0; e < perCategory; e++)
            {
                var sums = new double[codeCount * EncodingFolds];
                var counts = new double[codeCount * EncodingFolds];
                foreach (var row in trainRows)
                {
                    var cell = (rows.Codes[c][row] * EncodingFolds) + fold[row];
                    sums[cell] += Encoded(row, e);
                    counts[cell]++;
                }
                var mean = sums.Sum() / Math.Max(1, counts.Sum());
                float Mean(int code, int without)
                {
                    double sum = 0, count = 0;
                    for (var f = 0; f < EncodingFolds; f++)
                    {
                        if (f == without) continue;
                        sum += sums[(code * EncodingFolds) + f];
                        count += counts[(code * EncodingFolds) + f];
                    }
                    return (float)((sum + (mean * Smoothing)) / (count + Smoothing));
                }
                for (var code = 0; code < codeCount; code++) encodings[c][(code * perCategory) + e] = Mean(code, -1);
                var column = new float[rows.RowCount];
                for (var row = 0; row < column.Length; row++) column[row] = encodings[c][(rows.Codes[c][row] * perCategory) + e];
                if (codeCount > OwnMeanValuesMost)
                {
                    foreach (var row in trainRows) column[row] = Mean(rows.Codes[c][row], fold[row]);
                }
                ownColumns.Add(column);
            }
        }

        var words = new int[plan.Words.Count][];
        for (var w = 0; w < words.Length; w++) words[w] = TellingWords(rows.Words[w], plan.Words[w].Vocabulary.Count, target, trainRows);

        var names = new List<string>();
        var origins = new List<string>();
        foreach (var i in numbers)
        {
            names.Add(plan.Numbers[i].Name);
            origins.Add(plan.Numbers[i].Column);
        }
        foreach (var category in plan.Categories)
        {
            for (var e = 0; e < perCategory; e++)
            {
                names.Add(perCategory == 1 ? $"{category.Name} as mean target" : $"{category.Name} as share of {target.Labels[labels[e]]}");
                origins.Add(category.Column);
            }
        }
        for (var w = 0; w < words.Length; w++)
        {
            foreach (var word in words[w])
            {
                names.Add($"{plan.Words[w].Name} has {plan.Words[w].Vocabulary[word]}");
                origins.Add(plan.Words[w].Column);
            }
        }
        var features = new TreeFeatures
        {
            Numbers = numbers,
            Encodings = encodings,
            EncodingsPerCategory = perCategory,
            Words = words,
            Names = names,
            Origins = origins,
        };
        float[][] columns = [.. numbers.Select(i => rows.Numbers[i]), .. ownColumns, .. features.WordColumns(rows)];
        return (features, columns);
    }

    /// <summary>Columns of features for rows that were not fitted on.</summary>
    public float[][] Shape(PreparedRows rows)
    {
        var columns = new List<float[]>();
        foreach (var i in Numbers) columns.Add(rows.Numbers[i]);
        for (var c = 0; c < Encodings.Length; c++)
        {
            for (var e = 0; e < EncodingsPerCategory; e++)
                columns.Add(Array.ConvertAll(rows.Codes[c], code => Encodings[c][(code * EncodingsPerCategory) + e]));
        }
        columns.AddRange(WordColumns(rows));
        return [.. columns];
    }

    private IEnumerable<float[]> WordColumns(PreparedRows rows)
    {
        for (var w = 0; w < Words.Length; w++)
        {
            foreach (var word in Words[w])
                yield return Array.ConvertAll(rows.Words[w], found => (float)found.Count(position => position == word));
        }
    }

    private static int[] EncodedLabels(TargetValues target, int[] trainRows, int most)
    {
        if (target.Loss != LossKind.Softmax) return [0];
        var counts = new int[target.Outputs];
        foreach (var row in trainRows) counts[(int)target.Values[row]]++;
        return [.. Enumerable.Range(0, counts.Length).OrderByDescending(label => counts[label]).ThenBy(label => label).Take(most).Order()];
    }

    /// <summary>The words whose presence goes along most with the target.</summary>
    private static int[] TellingWords(int[][] words, int vocabulary, TargetValues target, int[] trainRows)
    {
        var outputs = target.Outputs;
        var sums = new double[vocabulary, outputs];
        var counts = new double[vocabulary];
        var totals = new double[outputs];
        double squares = 0;
        double Of(int row, int k) => target.Loss == LossKind.Softmax ? (target.Values[row] == k ? 1 : 0) : target.Values[row];
        foreach (var row in trainRows)
        {
            for (var k = 0; k < outputs; k++)
            {
                totals[k] += Of(row, k);
                squares += Of(row, k) * Of(row, k);
            }
            foreach (var word in words[row].Distinct())
            {
                counts[word]++;
                for (var k = 0; k < outputs; k++) sums[word, k] += Of(row, k);
            }
        }

        // Variance of the target that the presence of the word explains.
        double Explained(int word)
        {
            double explained = 0;
            for (var k = 0; k < outputs; k++)
            {
                var mean = totals[k] / trainRows.Length;
                var distance = (sums[word, k] / Math.Max(1, counts[word])) - mean;
                explained += counts[word] * distance * distance * trainRows.Length / Math.Max(1, trainRows.Length - counts[word]);
            }
            return explained;
        }
        return
        [
            .. Enumerable.Range(0, vocabulary)
                .OrderByDescending(Explained).ThenBy(word => word)
                .Take(WordsMost).Order(),
        ];
    }
}
