using System.Globalization;
using Atoll.Contracts;
using Atoll.Serving.Onnx;

namespace Atoll.Training.Evaluation;

/// <summary>Held-out rows of a table as a model reads them: as they are, or with one column changed.</summary>
internal sealed class HeldOutTable
{
    private const int RowsPerBatch = 256;

    private readonly Dictionary<string, ColumnValues> _columns;

    public HeldOutTable(OnnxSession session, TabularExamples examples)
    {
        Session = session;
        _columns = examples.Columns.ToDictionary(column => column.Name, StringComparer.Ordinal);
        if (!_columns.TryGetValue(examples.Target, out var target))
            throw new ArgumentException($"The samples have no column '{examples.Target}' to compare with.", nameof(examples));
        Target = target;

        // A row without a target says nothing about the model.
        Rows = [.. Enumerable.Range(0, examples.RowCount).Where(row => TextOf(target, row) is not null)];
    }

    public OnnxSession Session { get; }

    public ColumnValues Target { get; }

    /// <summary>Rows that have a target.</summary>
    public int[] Rows { get; }

    public ColumnValues? Column(string name) => _columns.GetValueOrDefault(name);

    /// <summary>Runs the model over rows, batch by batch; <paramref name="use"/> gets the inputs, the rows, and the position of the first.</summary>
    /// <param name="changed">A column that takes its values from other rows; null for none.</param>
    /// <param name="from">For each of the rows, the one that it takes that value from; -1 for no value.</param>
    public void Run(int[] rows, Action<OnnxTensor[], int[], int> use, CancellationToken cancellationToken, string? changed = null, int[]? from = null)
    {
        var first = 0;
        foreach (var batch in rows.Chunk(RowsPerBatch))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var inputs = new OnnxTensor[Session.Inputs.Count];
            try
            {
                for (var i = 0; i < inputs.Length; i++)
                    inputs[i] = Read(Session.Inputs[i], Session.Inputs[i].Name == changed ? from![first..(first + batch.Length)] : batch);
                use(inputs, batch, first);
            }
            finally
            {
                foreach (var input in inputs) input?.Dispose();
            }
            first += batch.Length;
        }
    }

    /// <summary>A value as a label or group is called; null when it is missing.</summary>
    public static string? TextOf(ColumnValues column, int row)
    {
        if (column.Texts is not null) return column.Texts[row];
        var number = column.Numbers![row];
        return float.IsNaN(number) ? null : number.ToString(CultureInfo.InvariantCulture);
    }

    private OnnxTensor Read(OnnxValueInfo input, int[] rows)
    {
        if (!_columns.TryGetValue(input.Name, out var column))
            throw new ArgumentException($"The model reads column '{input.Name}', which the samples do not have.", nameof(input));
        if (input.Type == TensorElementType.String)
        {
            var texts = new string[rows.Length];
            for (var i = 0; i < rows.Length; i++) texts[i] = rows[i] < 0 ? "" : TextOf(column, rows[i]) ?? "";
            return OnnxTensor.FromStrings(texts, rows.Length, 1);
        }
        if (column.Numbers is null)
            throw new ArgumentException($"The model reads numbers from column '{input.Name}', which holds texts.", nameof(input));
        var numbers = new float[rows.Length];
        for (var i = 0; i < rows.Length; i++) numbers[i] = rows[i] < 0 ? float.NaN : column.Numbers[rows[i]];
        return OnnxTensor.Create<float>(numbers, rows.Length, 1);
    }
}
