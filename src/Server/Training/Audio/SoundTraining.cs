using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Training.Evaluation;

namespace Atoll.Training.Audio;

/// <summary>Training on sounds with labels.</summary>
internal sealed class SoundTraining : ITrainingKind
{
    public string DatasetType => DatasetTypes.Audio;

    public string SampleType => DatasetTypes.Audio;

    public ParameterTable Parameters => SoundParameters.Table;

    public string TaskOf(IReadOnlyDictionary<string, string> parameters, DatasetSchema schema) => TaskKinds.Classification;

    public TrainedSamples Train(TrainingInput input, CancellationToken cancellationToken)
    {
        SoundExamples Read(Split split) => input.Reader.ReadSounds(split, input.Order.RowsMax, input.Order.Seed);
        return new TrainedSamples(
            SoundTrainer.Train(Read(Split.Train).WithValidation(Read(Split.Validation)), input.Settings, input.Report, cancellationToken),
            (session, signature) => ModelEvaluator.Evaluate(session, signature, Read(Split.Test), cancellationToken));
    }
}
