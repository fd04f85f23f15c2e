namespace Atoll.Training.Tabular;

/// <summary>
/// Copies of some rows with columns left out, learned beside the rows themselves: a model that never saw a column missing would
/// answer anything when it is, and whoever asks for a prediction seldom knows every column.
/// </summary>
internal static class BlankedCopies
{
    private const int CopiesWanted = 1500;

    /// <summary>Copies for each row: few rows need more of them to be learned from, on many rows they only cost time.</summary>
    public static double ShareFor(int rowCount) => Math.Clamp(CopiesWanted / (double)rowCount, 0.1, 0.5);

    /// <summary>Adds copies behind the rows. They are learned from, in the folds that learn from the row itself, and never held out.</summary>
    /// <param name="plan">Tells which features come from the same raw column; those are left out together.</param>
    /// <param name="rows">All rows.</param>
    /// <param name="target">Their target.</param>
    /// <param name="folds">Of the rows.</param>
    /// <param name="share">Copies for each row; 0.1 is one for every tenth.</param>
    /// <param name="seed">Of what is copied and left out.</param>
    public static (PreparedRows Rows, TargetValues Target, Folds Folds) Add(
        PreparationPlan plan, PreparedRows rows, TargetValues target, Folds folds, double share, ulong seed)
    {
        var random = new SplitMix64(seed);
        var sources = Enumerable.Range(0, rows.RowCount).ToArray();
        random.Shuffle(sources.AsSpan());
        sources = sources[..(int)Math.Round(rows.RowCount * share)];
        if (sources.Length == 0 || plan.Inputs.Count < 2) return (rows, target, folds);
        Array.Sort(sources);

        var position = plan.Inputs.Select((input, i) => (input.Name, i)).ToDictionary(pair => pair.Name, pair => pair.i, StringComparer.Ordinal);
        var isLeftOut = new bool[sources.Length][];
        for (var copy = 0; copy < sources.Length; copy++)
        {
            // From nearly none to nearly all, so that a row of two values is as well known as one that lacks two.
            var part = random.NextDouble();
            var leftOut = isLeftOut[copy] = new bool[plan.Inputs.Count];
            for (var i = 0; i < leftOut.Length; i++) leftOut[i] = random.NextDouble() < part;
        }
        T[] Extend<T>(T[] values, string column, T missing)
        {
            var input = position[column];
            var extended = new T[values.Length + sources.Length];
            values.CopyTo(extended, 0);
            for (var copy = 0; copy < sources.Length; copy++)
                extended[values.Length + copy] = isLeftOut[copy][input] ? missing : values[sources[copy]];
            return extended;
        }
        var extendedRows = new PreparedRows(
            rows.RowCount + sources.Length,
            [.. plan.Numbers.Select((number, i) => Extend(rows.Numbers[i], number.Column, float.NaN))],
            [.. plan.Categories.Select((category, i) => Extend(rows.Codes[i], category.Column, CategoryDerivation.MissingCode))],
            [.. plan.Words.Select((words, i) => Extend(rows.Words[i], words.Column, []))]);
        var extendedTarget = target with { Values = [.. target.Values, .. sources.Select(source => target.Values[source])] };
        var extendedFolds = folds with
        {
            Rows =
            [
                .. folds.Rows.Select(learned =>
                {
                    var isLearned = new bool[rows.RowCount];
                    foreach (var row in learned) isLearned[row] = true;
                    return (int[])[.. learned, .. Enumerable.Range(0, sources.Length).Where(copy => isLearned[sources[copy]]).Select(copy => rows.RowCount + copy)];
                }),
            ],
        };
        return (extendedRows, extendedTarget, extendedFolds);
    }
}
