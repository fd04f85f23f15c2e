namespace Atoll.Contracts;

/// <summary>What a model takes and gives: names, datatypes and shapes, and what they mean to a person.</summary>
public sealed record ModelSignature
{
    /// <summary>One of <see cref="TaskKinds"/>.</summary>
    public required string Task { get; init; }

    /// <summary>One of <see cref="DatasetTypes"/>, the kind of sample that the model reads, or <see cref="SampleTypes.Tensors"/>.</summary>
    public required string SampleType { get; init; }

    /// <summary>Samples a second of the sounds that the model reads; sounds of other rates are brought to it. Null for models of anything else.</summary>
    public int? SampleRate { get; init; }

    /// <summary>The column that was learned, for tabular models.</summary>
    public string? Target { get; init; }

    public required IReadOnlyList<TensorSpec> Inputs { get; init; }

    /// <summary>Columns of the training data that the model does not read, such as ids; they may stand in a row and are skipped.</summary>
    public IReadOnlyList<string>? Unread { get; init; }

    /// <summary>Those of <see cref="Unread"/> that give the target away, so that a model that reads them would look better than it is.</summary>
    public IReadOnlyList<string>? Leaks { get; init; }

    /// <summary>Cells that count as empty in rows of csv and in JSON texts, as in the import of the training data; null for those that imports take by default.</summary>
    public IReadOnlyList<string>? MissingMarkers { get; init; }

    public required IReadOnlyList<TensorSpec> Outputs { get; init; }

    /// <summary>The labels in the order of the columns of <c>probabilities</c>; null for regression.</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>How the model answers many times; null for one that answers once.</summary>
    public StepLoop? Steps { get; init; }
}

/// <summary>One input or output of a model.</summary>
public sealed record TensorSpec
{
    public required string Name { get; init; }

    /// <summary>Open Inference Protocol name: FP32, INT64, UINT8, BYTES, BOOL ...</summary>
    public required string Datatype { get; init; }

    /// <summary>-1 is a free dimension; the first one is the number of samples.</summary>
    public required IReadOnlyList<long> Shape { get; init; }

    /// <summary>What the column means (<see cref="ColumnTypes"/>), for inputs of tabular models.</summary>
    public string? ColumnType { get; init; }

    /// <summary>How the values of the column are written as text, the same as <see cref="ColumnSchema.Format"/>; null where there is nothing to say.</summary>
    public string? Format { get; init; }

    /// <summary>A value as it occurred in the training data, to show in messages and snippets.</summary>
    public string? Example { get; init; }

    /// <summary>The column's share in what the model goes by, 0 to 1; all columns add up to 1.</summary>
    public double? Importance { get; init; }

    /// <summary>The share of the training rows that have no value in the column.</summary>
    public double? MissingShare { get; init; }

    /// <summary>All values that the training data has in a column of categories, where they are few.</summary>
    public IReadOnlyList<string>? Values { get; init; }

    /// <summary>What most stands for the column's training values: the middle number, the most frequent text. Null when no value is typical, and missing stands for it.</summary>
    public string? Typical { get; init; }
}

/// <summary>Semantic types of table columns.</summary>
public static class ColumnTypes
{
    public const string Number = "number";
    public const string Integer = "integer";
    public const string Currency = "currency";
    public const string Percent = "percent";
    public const string Boolean = "boolean";
    public const string Category = "category";
    public const string Date = "date";
    public const string DateTime = "datetime";
    public const string Text = "text";
    public const string Id = "id";
    public const string Email = "email";
    public const string Phone = "phone";
    public const string Url = "url";
    public const string Country = "country";
    public const string PostalCode = "postal-code";

    public static bool IsNumeric(string type) => type is Number or Integer or Currency or Percent;
}
