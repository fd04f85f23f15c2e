using System.Globalization;
using Atoll.Contracts;

namespace Atoll.Training.Tabular;

/// <summary>The column to predict: what kind of task it makes, and its values in the rows that have one.</summary>
internal sealed record TargetValues
{
    private const int LabelsOfNumbersMost = 20;
    private const int LabelsMost = 1000;
    public const int RowsLeast = 10;

    public required string Task { get; init; }

    public required LossKind Loss { get; init; }

    /// <summary>Labels in order of their probabilities; empty for regression.</summary>
    public required IReadOnlyList<string> Labels { get; init; }

    /// <summary>Rows of the table that have a target, ascending.</summary>
    public required int[] Rows { get; init; }

    /// <summary>By position in <see cref="Rows"/>: the value, or the position of the label.</summary>
    public required float[] Values { get; init; }

    /// <summary>Scores that a model gives: 1, or one a label when there are more than two.</summary>
    public int Outputs => Loss == LossKind.Softmax ? Labels.Count : 1;

    /// <summary>Numbers that come out for a row: 1 for regression, else one a label.</summary>
    public int Width => Loss == LossKind.Squared ? 1 : Labels.Count;

    public bool IsRegression => Loss == LossKind.Squared;

    public static TargetValues Read(ColumnValues column, int rowCount, string? task)
    {
        var rows = Enumerable.Range(0, rowCount)
            .Where(row => column.Numbers is { } numbers ? float.IsFinite(numbers[row]) : !string.IsNullOrEmpty(column.Texts![row]))
            .ToArray();
        if (rows.Length < RowsLeast)
        {
            throw new TrainingRefusedException(
                rows.Length == rowCount
                ? $"There are only {rowCount} rows to learn from; at least {RowsLeast} are needed."
                : $"Only {rows.Length} of {rowCount} rows have a value in target '{column.Name}'; at least {RowsLeast} are needed.");
        }
        return (task ?? Infer(column, rows)) == TaskKinds.Regression ? Regression(column, rows) : Classification(column, rows);
    }

    private static string Infer(ColumnValues column, int[] rows)
    {
        if (column.Numbers is not { } numbers) return TaskKinds.Classification;
        var distinct = new HashSet<float>();
        foreach (var row in rows)
        {
            // Fractions are measurements, and so are many different counts.
            if (numbers[row] != MathF.Floor(numbers[row])) return TaskKinds.Regression;
            distinct.Add(numbers[row]);
            if (distinct.Count > LabelsOfNumbersMost) return TaskKinds.Regression;
        }
        return TaskKinds.Classification;
    }

    private static TargetValues Regression(ColumnValues column, int[] rows)
    {
        if (column.Numbers is not { } numbers)
        {
            throw new TrainingRefusedException(
                $"Target '{column.Name}' holds text such as '{column.Texts![rows[0]]}'; regression needs numbers. Set 'task' to classification or correct the column's type.");
        }
        var values = Array.ConvertAll(rows, row => numbers[row]);
        if (values.Distinct().Count() < 2)
            throw new TrainingRefusedException($"Target '{column.Name}' has the value {Format(values[0])} in every row; there is nothing to learn.");
        return new TargetValues
        {
            Task = TaskKinds.Regression,
            Loss = LossKind.Squared,
            Labels = [],
            Rows = rows,
            Values = values,
        };
    }

    private static TargetValues Classification(ColumnValues column, int[] rows)
    {
        var texts = Array.ConvertAll(rows, row => column.Numbers is { } numbers ? Format(numbers[row]) : column.Texts![row]!);
        var distinct = texts.Distinct();
        var labels = column.Numbers is null
            ? distinct.Order(StringComparer.Ordinal).ToArray()
            : [.. distinct.OrderBy(text => float.Parse(text, CultureInfo.InvariantCulture))];
        if (labels.Length < 2)
        {
            throw new TrainingRefusedException(
                $"Target '{column.Name}' has one label only, '{labels[0]}'; at least two are needed to learn a difference.");
        }
        if (labels.Length > LabelsMost || labels.Length > rows.Length / 2)
        {
            throw new TrainingRefusedException(
                $"Target '{column.Name}' has {labels.Length} different labels in {rows.Length} rows, too many to learn. Choose another target, or set 'task' to regression if it is a number.");
        }
        var positions = labels.Select((label, i) => (label, i)).ToDictionary(pair => pair.label, pair => pair.i, StringComparer.Ordinal);
        return new TargetValues
        {
            Task = TaskKinds.Classification,
            Loss = labels.Length == 2 ? LossKind.Logistic : LossKind.Softmax,
            Labels = labels,
            Rows = rows,
            Values = Array.ConvertAll(texts, text => (float)positions[text]),
        };
    }

    private static string Format(float value) => value.ToString(CultureInfo.InvariantCulture);
}
