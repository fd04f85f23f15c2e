using System.Globalization;
using System.Text;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Platform.Http;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction;

/// <summary>Finds what moved the predictions of rows away from that for a typical row, by predicting rows that are typical in one column or in all but one.</summary>
/// <remarks>
/// A column's contribution is the mean of what the row loses when the column becomes typical, and of what a typical row gains when the column alone is the row's.
/// docs/decisions/0014-why.md says why this and not another way. A <see cref="PredictionFactors"/> says the result in types.
/// </remarks>
internal sealed class FactorSearch
{
    /// <summary>Columns that are named when the caller does not say how many.</summary>
    public const int DefaultCount = 5;

    // The most important ones; what the others do is in the rest that is told.
    private const int ColumnsMost = 64;

    private readonly SamplePlan _plan;
    private readonly SampleBatch _samples;
    private readonly int _rows;
    private readonly int _named;
    private readonly int[] _columns;

    // For each row the columns in which it is not typical. The batch holds two variants for each, in the same order, after the rows and the typical row.
    private readonly List<int> _columnsOfRows = [];
    private readonly int[] _starts;
    private readonly int _labels;

    // Of each sample of the batch the probabilities, or its value.
    private readonly float[] _scores;
    private readonly int[] _explained;

    /// <summary>Adds the variants to the samples of the request; <see cref="End"/> takes them away.</summary>
    public FactorSearch(SamplePlan plan, PredictionWork work)
    {
        _plan = plan;
        _samples = work.Samples;
        _rows = work.Samples.Count;
        _named = work.Explain!.Value;
        _labels = plan.IsRegression ? 1 : plan.Labels.Count;
        _explained = new int[_rows];
        _starts = new int[_rows + 1];
        _columns = ColumnsOf(plan);
        AddTypicalRow();
        for (var row = 0; row < _rows; row++)
        {
            foreach (var column in _columns)
            {
                // Where the row is typical, nothing changes.
                if (_samples.HaveSame(row, _rows, column)) continue;
                _columnsOfRows.Add(column);
                _samples.AddCopy(row);
                _samples.CopyValue(_rows, column);
                _samples.AddCopy(_rows);
                _samples.CopyValue(row, column);
            }
            _starts[row + 1] = _columnsOfRows.Count;
        }
        _scores = new float[_samples.Count * _labels];
    }

    /// <summary>What speaks against explaining these predictions; null when nothing does.</summary>
    public static Problem? Check(SamplePlan plan, PredictionWork work, bool csv, PredictionOptions options)
    {
        if (csv) return PredictionProblems.NotExplainable(plan, "an answer in csv has no room for it", "Ask for application/json.");
        if (plan.ListName != "rows")
            return PredictionProblems.NotExplainable(plan, $"the model reads {plan.ListName}, and only those that read the columns of rows can say why", "Leave 'explain' out.");
        if (plan.Columns.All(column => column.Typical is null))
            return PredictionProblems.NotExplainable(plan, "it is not known what a typical row of its training data is", "Train a new version here; imported and older versions do not say it.");
        if (work.Samples.Count > options.ExplainedRowsMax) return PredictionProblems.TooManyToExplain(options.ExplainedRowsMax);
        var predicted = (2L * work.Samples.Count * ColumnsOf(plan).Length) + work.Samples.Count + 1;
        return predicted * plan.Columns.Count > options.ValuesMax ? PredictionProblems.TooManyValues(plan, options.ValuesMax) : null;
    }

    /// <summary>Takes what the model gave for samples from <paramref name="first"/> on; null when that went well.</summary>
    public Problem? Add(ReadOnlySpan<OnnxTensor> outputs, OutputPlan where, int first, int count)
    {
        var scores = outputs[_plan.IsRegression ? where.Value : where.Probabilities].Span<float>();
        if (scores.Length != count * _labels)
            throw new InvalidOperationException($"The model gave {scores.Length} scores for {count} samples of {_labels}.");
        foreach (var score in scores)
            if (!float.IsFinite(score)) return PredictionProblems.NotExplainable(_plan, "the model gives no number for a row that is typical in a column", "Leave 'explain' out.");
        scores.CopyTo(_scores.AsSpan(first * _labels));
        return null;
    }

    /// <summary>Takes the variants out of the samples, and fixes which label of each row is explained: the likeliest.</summary>
    public void End()
    {
        _samples.CutTo(_rows);
        for (var row = 0; row < _rows; row++)
        {
            var scores = _scores.AsSpan(row * _labels, _labels);
            for (var label = 1; label < _labels; label++)
                if (scores[label] > scores[_explained[row]]) _explained[row] = label;
        }
    }

    /// <summary>Writes the factors of one row, as a member of its prediction.</summary>
    public void Write(Utf8JsonWriter json, int row)
    {
        var label = _explained[row];
        var (predicted, typical) = (ScoreOf(row, label), ScoreOf(_rows, label));
        var found = new List<(int Column, double Contribution)>();
        for (var i = _starts[row]; i < _starts[row + 1]; i++)
        {
            var variant = _rows + 1 + (2 * i);
            found.Add((_columnsOfRows[i], (predicted - ScoreOf(variant, label) + ScoreOf(variant + 1, label) - typical) / 2));
        }
        found.Sort((one, other) => Math.Abs(other.Contribution).CompareTo(Math.Abs(one.Contribution)) is not 0 and var order ? order : one.Column.CompareTo(other.Column));
        var named = found.Where(factor => factor.Contribution != 0).Take(_named).ToList();

        json.WriteStartObject("factors"u8);
        if (!_plan.IsRegression) json.WriteString("label"u8, _plan.Labels[label]);
        WriteNumber(json, "predicted"u8, predicted);
        WriteNumber(json, "typical"u8, typical);
        json.WriteStartArray("columns"u8);
        foreach (var (column, contribution) in named)
        {
            json.WriteStartObject();
            json.WriteString("name"u8, _plan.Columns[column].Name);
            WriteNumber(json, "contribution"u8, contribution);
            if (ValueOf(row, column) is { } value) json.WriteString("value"u8, value);
            if (_plan.Columns[column].Typical is { } usual) json.WriteString("typicalValue"u8, usual);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        WriteNumber(json, "others"u8, predicted - typical - named.Sum(factor => factor.Contribution));
        json.WriteEndObject();
    }

    private static int[] ColumnsOf(SamplePlan plan) =>
    [
        .. Enumerable.Range(0, plan.Columns.Count).Where(i => plan.Route.Signature.Inputs[i].Importance is null or > 0)
            .OrderByDescending(i => plan.Columns[i].Importance).Take(ColumnsMost),
    ];

    private void AddTypicalRow()
    {
        _samples.Add();
        for (var i = 0; i < _plan.Columns.Count; i++)
        {
            var column = _plan.Columns[i];
            if (column.Typical is not { } typical) _samples.SetMissing(i);
            else if (!column.IsNumber) _samples.SetText(i, Encoding.UTF8.GetBytes(typical));
            else if (float.TryParse(typical, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)) _samples.SetNumber(i, number);
            else _samples.SetMissing(i);
        }
    }

    private float ScoreOf(int sample, int label) => _scores[(sample * _labels) + label];

    private string? ValueOf(int row, int column) => _samples.IsMissing(row, column) ? null
        : _plan.Columns[column].IsNumber ? _samples.Number(row, column).ToString(CultureInfo.InvariantCulture)
        : JsonText.Shorten(Encoding.UTF8.GetString(_samples.Bytes(row, column)));

    // Six digits are more than a model means.
    private static void WriteNumber(Utf8JsonWriter json, ReadOnlySpan<byte> name, double value) => json.WriteNumber(name, (float)value);
}
