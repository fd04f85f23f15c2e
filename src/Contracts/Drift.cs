namespace Atoll.Contracts;

/// <summary>How the values of a column are spread in the training data; what later rows are compared with.</summary>
public sealed record ColumnSummary
{
    public required string Name { get; init; }

    /// <summary>Training rows.</summary>
    public required int Rows { get; init; }

    /// <summary>Those of them without a value.</summary>
    public required int Missing { get; init; }

    /// <summary>Of a column of numbers: upper limits of its ranges, each included; the last range has none.</summary>
    public IReadOnlyList<double>? Limits { get; init; }

    /// <summary>Of a column of numbers: rows in each range.</summary>
    public IReadOnlyList<int>? Counts { get; init; }

    /// <summary>Of any other column: its most frequent values.</summary>
    public IReadOnlyList<ValueCount>? Values { get; init; }

    /// <summary>There are no other values than those listed.</summary>
    public bool AllValues { get; init; }
}

/// <summary>How rows differ from those that a version was trained on.</summary>
public sealed record DriftResponse
{
    public required string Model { get; init; }

    public required int Version { get; init; }

    /// <summary>Rows that were compared.</summary>
    public required int Rows { get; init; }

    /// <summary>Columns that moved, by how much the model goes by them; together at most 1.</summary>
    public required double MovedImportance { get; init; }

    /// <summary>What was found, in a sentence.</summary>
    public required string Finding { get; init; }

    /// <summary>The columns, those that moved first, then by distance.</summary>
    public required IReadOnlyList<ColumnDrift> Columns { get; init; }
}

/// <summary>How one column differs.</summary>
public sealed record ColumnDrift
{
    public required string Name { get; init; }

    /// <summary>One of <see cref="DriftKinds"/>.</summary>
    public required string Drift { get; init; }

    /// <summary>Why, in a sentence.</summary>
    public required string Reason { get; init; }

    /// <summary>Population stability index over ranges or values, and missing: 0 is the same, from 0.1 a column has moved, from 0.25 far.</summary>
    public required double StabilityIndex { get; init; }

    /// <summary>What the index stays below in 999 of 1,000 batches of so many rows in which nothing has moved.</summary>
    public required double Chance { get; init; }

    public required double MissingShare { get; init; }

    public required double TrainingMissingShare { get; init; }

    /// <summary>Share of the rows with a value that the training data does not have; null where not all of its values are known.</summary>
    public double? UnseenShare { get; init; }

    /// <summary>Some of those values.</summary>
    public IReadOnlyList<string>? Unseen { get; init; }

    /// <summary>The column's share in what the model goes by, 0 to 1.</summary>
    public double? Importance { get; init; }
}

/// <summary>How far a column has moved.</summary>
public static class DriftKinds
{
    /// <summary>No more than chance explains, or too little to matter.</summary>
    public const string None = "none";
    public const string Moved = "moved";
    public const string Far = "far";
}
