using System.Diagnostics;
using System.Globalization;
using Atoll.Contracts;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Tabular;

namespace Atoll.Benchmarks;

/// <summary>Compares cheap ways of telling what each column does to a prediction with Shapley's values, which take the mean over all orders of columns.</summary>
internal static class FactorMethods
{
    private const int Rows = 40;
    private const int Orders = 200;
    private const int RowsPerRun = 1024;
    private const int Named = 3;

    // What the mean of both ends has to reach, or the decision record is wrong.
    private const double CorrelationBar = 0.95;

    private static readonly (string Name, string Target, string Ignore)[] Sets =
        [("titanic", "Survived", ""), ("telco-churn", "Churn", ""), ("bike-sharing", "cnt", "casual,registered,instant"), ("adult", "income", "")];

    public static bool Run(BenchmarkArguments arguments)
    {
        var met = true;
        Console.WriteLine("| dataset | columns | method | predictions for a row | ms for a row | correlation with Shapley | error, share of their size | of the three strongest |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        foreach (var set in Sets)
            if (arguments["--only"] is null || arguments["--only"] == set.Name) met &= Measure(arguments, set);
        return met;
    }

    private static bool Measure(BenchmarkArguments arguments, (string Name, string Target, string Ignore) set)
    {
        var folder = Path.Combine(arguments["--data"]!, set.Name);
        var types = TabularAccuracy.TypesOf(Path.Combine(folder, "train.csv"));
        var parameters = arguments.All("--set").Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        if (set.Ignore.Length > 0) parameters.TryAdd("ignore", set.Ignore);
        var trained = TabularTrainer.Train(
            TabularAccuracy.Read(Path.Combine(folder, "train.csv"), types, set.Target), new TrainingSettings { Parameters = parameters }, new SilentTrainingReport(), CancellationToken.None);
        var test = TabularAccuracy.Read(Path.Combine(folder, "test.csv"), types, set.Target);
        using var session = OnnxSession.Load(trained.Onnx);
        var game = new Game(session, trained.Signature, test);
        var rows = Enumerable.Range(0, Rows).Select(i => (int)((long)i * test.RowCount / Rows)).ToArray();
        var shapley = rows.Select(row => Shapley(game, row)).ToArray();

        var met = true;
        var count = trained.Signature.Inputs.Count;
        foreach (var (name, predictions, method) in ((string, int, Func<Game, int, double[]>)[])
        [
            ("left out: typical", count + 1, (all, row) => LeaveOut(all, row, Value.Typical)),
            ("left out: missing", count + 1, (all, row) => LeaveOut(all, row, Value.Missing)),
            ("added to the typical row", count + 1, Add),
            ("mean of left out and added", (2 * count) + 2, (all, row) => [.. LeaveOut(all, row, Value.Typical).Zip(Add(all, row), (one, other) => (one + other) / 2)]),
        ])
        {
            var watch = Stopwatch.StartNew();
            var found = rows.Select(row => method(game, row)).ToArray();
            var took = watch.Elapsed.TotalMilliseconds / Rows;
            var correlation = found.Zip(shapley, Correlation).Average();
            var error = found.Zip(shapley, (one, truth) => one.Zip(truth, (a, b) => Math.Abs(a - b)).Sum()).Sum() / shapley.Sum(truth => truth.Sum(Math.Abs));
            var strongest = found.Zip(shapley, (one, truth) => Strongest(one).Intersect(Strongest(truth)).Count()).Average();
            if (name.StartsWith("mean", StringComparison.Ordinal)) met &= correlation >= CorrelationBar;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {set.Name} | {count} | {name} | {predictions} | {took:0.0} | {correlation:0.000} | {error:0.000} | {strongest:0.00} |"));
        }
        return met;
    }

    private static double[] LeaveOut(Game game, int row, Value instead)
    {
        var states = new List<Value[]> { Enumerable.Repeat(Value.Own, game.Columns).ToArray() };
        for (var column = 0; column < game.Columns; column++)
        {
            var state = Enumerable.Repeat(Value.Own, game.Columns).ToArray();
            state[column] = instead;
            states.Add(state);
        }
        var scores = game.Play(row, states);
        return [.. scores.Skip(1).Select(score => scores[0] - score)];
    }

    private static double[] Add(Game game, int row)
    {
        var states = new List<Value[]> { new Value[game.Columns] };
        for (var column = 0; column < game.Columns; column++)
        {
            var state = new Value[game.Columns];
            state[column] = Value.Own;
            states.Add(state);
        }
        var scores = game.Play(row, states);
        return [.. scores.Skip(1).Select(score => score - scores[0])];
    }

    /// <summary>The mean over sampled orders, each with its reverse, of what a column does when it becomes the row's.</summary>
    private static double[] Shapley(Game game, int row)
    {
        var random = new SplitMix64((ulong)row + 1);
        var sums = new double[game.Columns];
        for (var i = 0; i < Orders; i += 2)
        {
            var order = Enumerable.Range(0, game.Columns).ToArray();
            random.Shuffle<int>(order);
            foreach (var one in (int[][])[order, [.. order.Reverse()]])
            {
                var states = new List<Value[]> { new Value[game.Columns] };
                foreach (var column in one)
                {
                    var next = (Value[])states[^1].Clone();
                    next[column] = Value.Own;
                    states.Add(next);
                }
                var scores = game.Play(row, states);
                for (var step = 0; step < one.Length; step++) sums[one[step]] += scores[step + 1] - scores[step];
            }
        }
        return [.. sums.Select(sum => sum / Orders)];
    }

    private static double Correlation(double[] one, double[] other)
    {
        var (meanOne, meanOther) = (one.Average(), other.Average());
        var both = one.Zip(other, (a, b) => (a - meanOne) * (b - meanOther)).Sum();
        var size = Math.Sqrt(one.Sum(a => (a - meanOne) * (a - meanOne)) * other.Sum(b => (b - meanOther) * (b - meanOther)));
        return size > 0 ? both / size : one.SequenceEqual(other) ? 1 : 0;
    }

    private static IEnumerable<int> Strongest(double[] factors) => Enumerable.Range(0, factors.Length).OrderByDescending(i => Math.Abs(factors[i])).Take(Named);

    /// <summary>What stands in a column of a variant.</summary>
    private enum Value
    {
        Typical,
        Own,
        Missing,
    }

    /// <summary>Predicts variants of a row.</summary>
    private sealed class Game
    {
        private readonly OnnxSession _session;
        private readonly ModelSignature _signature;
        private readonly ColumnValues[] _columns;
        private readonly int _output;
        private readonly int _labels;
        private readonly Dictionary<int, int> _explained = [];

        public Game(OnnxSession session, ModelSignature signature, TabularExamples test)
        {
            (_session, _signature) = (session, signature);
            _columns = [.. signature.Inputs.Select(input => test.Columns.Single(column => column.Name == input.Name))];
            _labels = signature.Labels?.Count ?? 1;
            _output = session.IndexOfOutput(signature.Labels is null ? "value" : "probabilities");
        }

        public int Columns => _columns.Length;

        /// <summary>The value, or the probability of the label that is likeliest for the row itself.</summary>
        public double[] Play(int row, List<Value[]> states)
        {
            if (!_explained.TryGetValue(row, out var label))
            {
                var own = Run(row, [Enumerable.Repeat(Value.Own, Columns).ToArray()]);
                label = _explained[row] = Enumerable.Range(0, _labels).MaxBy(i => own[i]);
            }
            var scores = new double[states.Count];
            for (var first = 0; first < states.Count; first += RowsPerRun)
            {
                var part = states.GetRange(first, Math.Min(RowsPerRun, states.Count - first));
                var found = Run(row, part);
                for (var i = 0; i < part.Count; i++) scores[first + i] = found[(i * _labels) + label];
            }
            return scores;
        }

        private float[] Run(int row, List<Value[]> states)
        {
            var inputs = new OnnxTensor[Columns];
            OnnxTensor[] outputs = [];
            try
            {
                for (var i = 0; i < inputs.Length; i++) inputs[i] = Read(i, row, states);
                outputs = _session.Run(inputs);
                return outputs[_output].Span<float>().ToArray();
            }
            finally
            {
                foreach (var tensor in inputs.Concat(outputs)) tensor?.Dispose();
            }
        }

        private OnnxTensor Read(int column, int row, List<Value[]> states)
        {
            var typical = _signature.Inputs[column].Typical;
            if (_columns[column].Numbers is { } numbers)
            {
                var usual = typical is null ? float.NaN : float.Parse(typical, CultureInfo.InvariantCulture);
                return OnnxTensor.Create<float>([.. states.Select(state => state[column] switch { Value.Own => numbers[row], Value.Typical => usual, _ => float.NaN })], states.Count, 1);
            }
            var texts = _columns[column].Texts!;
            return OnnxTensor.FromStrings([.. states.Select(state => state[column] switch { Value.Own => texts[row] ?? "", Value.Typical => typical ?? "", _ => "" })], states.Count, 1);
        }
    }
}
