using Atoll.Cli;
using Atoll.Commands;

// Commands that need the server's code join those of the command line. Their work begins in methods of their own,
// so that a command which only calls the API loads nothing of ASP.NET.
return await CommandLine.RunAsync(args, [ServeCommand.Create(), DoctorCommand.Create(), RecoverCommand.Create(), TrainWorkerCommand.Create()]);
