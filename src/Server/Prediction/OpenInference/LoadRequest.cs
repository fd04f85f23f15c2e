using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Atoll.Contracts;
using Atoll.Platform.Http;
using Google.Protobuf;
using Wire = Atoll.Prediction.OpenInference.Grpc.Messages;

namespace Atoll.Prediction.OpenInference;

/// <summary>What a client sent along with the order to load a model: files that become versions, and how they are to be served.</summary>
internal sealed partial class LoadRequest(string model)
{
    private const int FilesMax = 16;
    private const string FilePrefix = "file:";

    private readonly SortedDictionary<int, (string Name, ReadOnlyMemory<byte> Bytes)> _files = [];

    public string Model => model;

    public Wire.ModelConfig? Config { get; private set; }

    /// <summary>How the model is to answer many times; null for once.</summary>
    public StepLoop? Steps { get; private set; }

    /// <summary>The configuration says how often the model answers. What it does not speak of stays as it is.</summary>
    public bool SaysSteps => Config is { ModelTransactionPolicy: not null } or { SequenceBatching: not null };

    /// <summary>The files with their names, in the order of the folders that they stand in.</summary>
    public IReadOnlyCollection<(string Name, ReadOnlyMemory<byte> Bytes)> Files => _files.Values;

    public static bool IsFile(string parameter) => parameter.StartsWith(FilePrefix, StringComparison.Ordinal);

    /// <summary>Takes a file: <c>file:1/model.onnx</c>.</summary>
    public Problem? TakeFile(string parameter, ReadOnlyMemory<byte> bytes)
    {
        var path = VersionFile().Match(parameter);
        if (!path.Success || !int.TryParse(path.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var folder))
            return Refuse($"parameter '{JsonText.Shorten(parameter)}' is not a file of a version, such as file:1/model.onnx");
        if (_files.Count == FilesMax) return Refuse($"more than {FilesMax} files");
        return _files.TryAdd(folder, (path.Groups[2].Value, bytes)) ? null : Refuse($"there are two files of the version {folder}; a model is one file");
    }

    /// <summary>Takes a ModelConfig in JSON. What would change answers and is not there is refused; what only tunes Triton is let pass.</summary>
    public Problem? TakeConfig(string json)
    {
        try
        {
            // The parser of messages is no judge of what is JSON.
            JsonDocument.Parse(json).Dispose();
            Config = Parser.Parse<Wire.ModelConfig>(json);
        }
        catch (Exception failure) when (failure is JsonException or IOException or FormatException or OverflowException)
        {
            return Refuse($"unable to parse 'config': {failure.Message}");
        }
        if (Config.Name.Length > 0 && Config.Name != model) return Refuse($"'config' is of the model '{JsonText.Shorten(Config.Name)}'");
        if (Config.Platform is not ("" or DescribeModel.Platform)) return Unsupported($"the platform '{JsonText.Shorten(Config.Platform)}' is not supported, expected {DescribeModel.Platform}");
        if (Config.Backend is not ("" or "onnxruntime")) return Unsupported($"the backend '{JsonText.Shorten(Config.Backend)}' is not supported, expected onnxruntime");
        (Steps, var unclear) = StepLoopConfig.Read(Config);
        return unclear is null ? null : Refuse(unclear);
    }

    /// <summary>What does not go together.</summary>
    public Problem? Check() => _files.Count > 0 && Config is null ? Refuse("the parameter 'config' is required when a file is given") : null;

    public Problem Unrecognized(string parameter) => Refuse($"unrecognized parameter '{JsonText.Shorten(parameter)}'");

    public Problem NotText(string parameter) => Refuse($"unable to parse '{JsonText.Shorten(parameter)}', expected a string");

    public Problem NotBase64(string parameter) => Refuse($"unable to parse '{JsonText.Shorten(parameter)}', expected a string of base64");

    public Problem NotBytes(string parameter) => Refuse($"unable to parse '{JsonText.Shorten(parameter)}', expected bytes");

    private static JsonParser Parser { get; } = new(JsonParser.Settings.Default.WithIgnoreUnknownFields(true));

    private Problem Refuse(string why) => OpenInferenceProblems.NotLoaded(400, ProblemCodes.InvalidField, model, why);

    private Problem Unsupported(string why) => OpenInferenceProblems.NotLoaded(501, ProblemCodes.InvalidField, model, why);

    [GeneratedRegex(@"^file:([1-9][0-9]{0,8})/([^/]{1,200})\z", RegexOptions.CultureInvariant)]
    private static partial Regex VersionFile();
}
