namespace Atoll.Training.Tabular;

/// <summary>Which rows are held out together; every label is spread evenly over the folds.</summary>
/// <param name="Held">By fold the rows held out, ascending.</param>
/// <param name="Rows">By fold the rows to learn from, ascending.</param>
internal sealed record Folds(int[][] Held, int[][] Rows)
{
    /// <summary>Rows of the table.</summary>
    public required int RowCount { get; init; }

    private const int FiveFoldRowsMost = 20_000;
    private const int ThreeFoldRowsMost = 100_000;

    public int Count => Held.Length;

    /// <summary>Rows that are held out by some fold.</summary>
    public int[] AllHeld => [.. Held.SelectMany(rows => rows).Order()];

    /// <summary>Holds out the rows that the customer has set aside, which are the last ones.</summary>
    public static Folds Own(int rowCount, int validationCount) => new(
        [[.. Enumerable.Range(rowCount - validationCount, validationCount)]], [[.. Enumerable.Range(0, rowCount - validationCount)]])
    {
        RowCount = rowCount,
    };

    public static Folds Split(TargetValues target, int? wanted, ulong seed)
    {
        var rowCount = target.Values.Length;
        var parts = wanted ?? (rowCount > FiveFoldRowsMost && rowCount <= ThreeFoldRowsMost ? 3 : 5);

        // On large data one fold of five tells enough.
        var used = wanted ?? (rowCount > ThreeFoldRowsMost ? 1 : parts);
        parts = Math.Min(parts, rowCount / 2);
        used = Math.Min(used, parts);

        // Dealt out along the order of the target: labels, and small and large values, go to every fold alike.
        var random = new SplitMix64(seed);
        var order = Enumerable.Range(0, rowCount).ToArray();
        random.Shuffle(order.AsSpan());
        var sorted = order.Select((row, i) => (row, i)).OrderBy(pair => target.Values[pair.row]).ThenBy(pair => pair.i).Select(pair => pair.row).ToArray();
        var fold = new int[rowCount];
        var deal = Enumerable.Range(0, parts).ToArray();
        for (var i = 0; i < sorted.Length; i++)
        {
            if (i % parts == 0) random.Shuffle(deal.AsSpan());
            fold[sorted[i]] = deal[i % parts];
        }
        return new Folds(
            [.. Enumerable.Range(0, used).Select(f => Enumerable.Range(0, rowCount).Where(row => fold[row] == f).ToArray())],
            [.. Enumerable.Range(0, used).Select(f => Enumerable.Range(0, rowCount).Where(row => fold[row] != f).ToArray())])
        {
            RowCount = rowCount,
        };
    }
}
